/*
 * Randomness, digests, sealing (OpenSSL, used nowhere else).
 *
 * A failure of the library itself ends the process: there is no way on without
 * random numbers.  A sealed value is nonce || ciphertext || tag, with its name
 * as additional data.  Secrets are wiped before their memory is given back.
 */
#include "hiclaw/secure.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "hiclaw/log.h"

#define NONCE_LEN	12
#define TAG_LEN		16
#define KEY_HEX		(2 * SEAL_KEY_LEN)

static void
must(bool ok, const char *what)
{
	if (ok)
		return;
	log_error("secure", "%s failed", what);
	abort();
}

static void
put_hex(const unsigned char *p, size_t n, char *out)
{
	static const char	digits[] = "0123456789abcdef";
	size_t			i;

	for (i = 0; i < n; i++) {
		*out++ = digits[p[i] >> 4];
		*out++ = digits[p[i] & 15];
	}
	*out = '\0';
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

void
rand_bytes(void *p, size_t n)
{
	must(n <= INT_MAX && RAND_bytes(p, (int)n) == 1, "RAND_bytes");
}

char *
rand_hex(size_t nbytes)
{
	unsigned char	*p = xmalloc(nbytes);
	char		*hex = xmalloc(2 * nbytes + 1);

	rand_bytes(p, nbytes);
	put_hex(p, nbytes, hex);
	secret_wipe(p, nbytes);
	free(p);
	return hex;
}

char *
rand_password(size_t len)
{
	/* without 0 O o, 1 l I */
	static const char	letters[] = "abcdefghijkmnpqrstuvwxyz"
				    "ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
	const unsigned		n = sizeof(letters) - 1;
	unsigned char		c;
	char			*s = xmalloc(len + 1);
	size_t			i = 0;

	while (i < len) {
		rand_bytes(&c, 1);
		if (c < 256 / n * n)	/* else some would come up more often */
			s[i++] = letters[c % n];
	}
	s[len] = '\0';
	return s;
}

double
rand_unit(void)
{
	uint64_t	x;

	rand_bytes(&x, sizeof(x));
	return (double)(x >> 11) / 9007199254740992.0;	/* 53 bits */
}

static void
sha256(const void *p, size_t n, unsigned char out[32])
{
	must(EVP_Digest(p, n, out, NULL, EVP_sha256(), NULL) == 1, "SHA-256");
}

void
sha256_hex(const void *p, size_t n, char out[SHA256_HEX])
{
	unsigned char	digest[32];

	sha256(p, n, digest);
	put_hex(digest, sizeof(digest), out);
}

char *
hmac_sha1_hex(const char *key, const void *p, size_t n)
{
	unsigned char	 digest[EVP_MAX_MD_SIZE];
	unsigned int	 len = 0;
	char		*hex;

	must(strlen(key) <= INT_MAX && HMAC(EVP_sha1(), key, (int)strlen(key),
	    p, n, digest, &len) != NULL, "HMAC-SHA1");
	hex = xmalloc(2 * (size_t)len + 1);
	put_hex(digest, len, hex);
	return hex;
}

void
hmac_sha256(const void *key, size_t keylen, const void *p, size_t n,
    unsigned char out[SHA256_LEN])
{
	must(keylen <= INT_MAX && HMAC(EVP_sha256(), key, (int)keylen, p, n,
	    out, NULL) != NULL, "HMAC-SHA256");
}

void
pbkdf2_sha256(const char *password, const void *salt, size_t saltlen,
    int rounds, unsigned char out[SHA256_LEN])
{
	must(strlen(password) <= INT_MAX && saltlen <= INT_MAX &&
	    PKCS5_PBKDF2_HMAC(password, (int)strlen(password), salt,
	    (int)saltlen, rounds, EVP_sha256(), SHA256_LEN, out) == 1,
	    "PBKDF2");
}

char *
hex_encode(const void *p, size_t n)
{
	char	*hex = xmalloc(2 * n + 1);

	put_hex(p, n, hex);
	return hex;
}

char *
base64_encode(const void *p, size_t n)
{
	char	*out;

	must(n <= INT_MAX / 2, "length of base64");
	out = xmalloc((n + 2) / 3 * 4 + 1);
	EVP_EncodeBlock((unsigned char *)out, p, (int)n);
	return out;
}

static int
base64_digit(char c)
{
	static const char	digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "abcdefghijklmnopqrstuvwxyz0123456789+/";
	const char		*p = c != '\0' ? strchr(digits, c) : NULL;

	return p != NULL ? (int)(p - digits) : -1;
}

char *
base64_decode(const char *s, size_t *len)
{
	char		*out = xmalloc(strlen(s) / 4 * 3 + 4);
	uint32_t	 bits = 0;
	size_t		 n = 0, digits = 0;
	int		 d;

	for (; *s != '\0' && *s != '='; s++) {
		if (*s == '\r' || *s == '\n')
			continue;
		d = base64_digit(*s);
		if (d == -1)
			goto bad;
		bits = bits << 6 | (uint32_t)d;
		digits++;
		if (digits % 4 != 1)
			out[n++] = (char)(bits >> (6 - 2 * ((digits - 1) % 4)));
	}
	if (s[strspn(s, "=\r\n")] != '\0' || digits % 4 == 1)
		goto bad;
	out[n] = '\0';
	*len = n;
	return out;
bad:
	free(out);
	return NULL;
}

char *
sha256_base64(const void *data, size_t len)
{
	unsigned char digest[SHA256_LEN];

	sha256(data, len, digest);
	return base64_encode(digest, sizeof digest);
}

char *
md5_base64(const void *p, size_t n)
{
	unsigned char	digest[16];

	must(EVP_Digest(p, n, digest, NULL, EVP_md5(), NULL) == 1, "MD5");
	return base64_encode(digest, sizeof(digest));
}

/* Digests are compared, so that the lengths do not show either. */
bool
secret_equal(const char *a, const char *b)
{
	unsigned char	da[32], db[32];

	if (a == NULL || b == NULL)
		return false;
	sha256(a, strlen(a), da);
	sha256(b, strlen(b), db);
	return CRYPTO_memcmp(da, db, sizeof(da)) == 0;
}

void
secret_wipe(void *p, size_t n)
{
	if (p != NULL)
		OPENSSL_cleanse(p, n);
}

void
secret_free(char *s)
{
	if (s == NULL)
		return;
	secret_wipe(s, strlen(s));
	free(s);
}

/* A context with key, nonce and name in place. */
static EVP_CIPHER_CTX *
gcm_new(bool encrypt, const unsigned char *key, const unsigned char *nonce,
    const char *name)
{
	EVP_CIPHER_CTX	*ctx = EVP_CIPHER_CTX_new();
	size_t		 len = strlen(name);
	int		 n;

	must(ctx != NULL && len <= INT_MAX &&
	    EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce,
	    encrypt) == 1 && EVP_CipherUpdate(ctx, NULL, &n,
	    (const unsigned char *)name, (int)len) == 1, "AES-256-GCM");
	return ctx;
}

void *
seal(const unsigned char key[SEAL_KEY_LEN], const char *name,
    const char *secret, size_t *outlen)
{
	EVP_CIPHER_CTX	*ctx;
	unsigned char	*out, *text;
	size_t		 len = strlen(secret);
	int		 n = 0, last = 0;

	must(len <= INT_MAX, "length of a secret");
	out = xmalloc(NONCE_LEN + len + TAG_LEN);
	text = out + NONCE_LEN;
	rand_bytes(out, NONCE_LEN);
	ctx = gcm_new(true, key, out, name);
	must(EVP_CipherUpdate(ctx, text, &n, (const unsigned char *)secret,
	    (int)len) == 1 && EVP_CipherFinal_ex(ctx, text + n, &last) == 1 &&
	    (size_t)(n + last) == len &&
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_LEN,
	    text + len) == 1, "AES-256-GCM");
	EVP_CIPHER_CTX_free(ctx);
	*outlen = NONCE_LEN + len + TAG_LEN;
	return out;
}

char *
unseal(const unsigned char key[SEAL_KEY_LEN], const char *name,
    const void *p, size_t n, struct err *e)
{
	const unsigned char	*in = p;
	unsigned char		 tag[TAG_LEN];
	EVP_CIPHER_CTX		*ctx;
	char			*out;
	size_t			 len;
	int			 done = 0, last = 0;
	bool			 ok;

	if (n < NONCE_LEN + TAG_LEN || n > INT_MAX) {
		err_set(e, ERR_BROKEN, "sealed value %s: wrong size", name);
		return NULL;
	}
	len = n - NONCE_LEN - TAG_LEN;
	memcpy(tag, in + NONCE_LEN + len, TAG_LEN);
	out = xcalloc(len + 1, 1);
	ctx = gcm_new(false, key, in, name);
	ok = EVP_CipherUpdate(ctx, (unsigned char *)out, &done,
	    in + NONCE_LEN, (int)len) == 1 &&
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_LEN, tag) == 1 &&
	    EVP_CipherFinal_ex(ctx, (unsigned char *)out + done, &last) == 1;
	EVP_CIPHER_CTX_free(ctx);
	if (!ok) {
		secret_wipe(out, len);
		free(out);
		err_set(e, ERR_BROKEN,
		    "sealed value %s: the secrets key does not fit", name);
		return NULL;
	}
	return out;
}

void
gcm_seal(const unsigned char key[SEAL_KEY_LEN],
    const unsigned char nonce[GCM_NONCE_LEN], const void *aad, size_t aad_len,
    const void *text, size_t len, unsigned char *out)
{
	EVP_CIPHER_CTX	*ctx = EVP_CIPHER_CTX_new();
	int		 n = 0, last = 0, skipped;

	must(ctx != NULL && len <= INT_MAX && aad_len <= INT_MAX &&
	    EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce) == 1 &&
	    (aad_len == 0 || EVP_EncryptUpdate(ctx, NULL, &skipped, aad,
	    (int)aad_len) == 1) &&
	    (len == 0 || EVP_EncryptUpdate(ctx, out, &n, text,
	    (int)len) == 1) && EVP_EncryptFinal_ex(ctx, out + n, &last) == 1 &&
	    (size_t)(n + last) == len &&
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, GCM_TAG_LEN,
	    out + len) == 1, "AES-256-GCM");
	EVP_CIPHER_CTX_free(ctx);
}

/*
 * The key file.  It is written beside its place and linked there: a file of
 * that name is never replaced, and never seen half-written.
 */

static int
key_read(int fd, const char *path, unsigned char key[SEAL_KEY_LEN],
    struct err *e)
{
	char		text[KEY_HEX + 2];
	struct stat	st;
	ssize_t		n;
	int		i, hi, lo, res = -1;

	if (fstat(fd, &st) == -1)
		return err_set(e, ERR_BROKEN, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_BROKEN, "%s: not a file", path);
	if ((st.st_mode & 077) != 0)
		return err_set(e, ERR_BROKEN,
		    "%s: others may read it (mode %04o); chmod 600 it", path,
		    (unsigned)st.st_mode & 07777);
	n = read(fd, text, sizeof(text));
	if (n == KEY_HEX + 1 && text[KEY_HEX] == '\n')
		n--;
	if (n != KEY_HEX)
		goto out;
	for (i = 0; i < SEAL_KEY_LEN; i++) {
		hi = hex_digit(text[2 * i]);
		lo = hex_digit(text[2 * i + 1]);
		if (hi == -1 || lo == -1)
			goto out;
		key[i] = (unsigned char)(hi << 4 | lo);
	}
	res = 0;
out:
	secret_wipe(text, sizeof(text));
	if (res == -1)
		err_set(e, ERR_BROKEN, "%s: not 64 hex digits", path);
	return res;
}

static int
key_create(const char *path, struct err *e)
{
	char	*tmp = xasprintf("%s.XXXXXX", path), *hex = NULL, *line = NULL;
	int	 fd, res = -1;

	fd = mkstemp(tmp);	/* mode 0600 */
	if (fd == -1) {
		err_set(e, ERR_BROKEN, "%s: %s", path, strerror(errno));
		free(tmp);
		return -1;
	}
	hex = rand_hex(SEAL_KEY_LEN);
	line = xasprintf("%s\n", hex);
	if (write(fd, line, KEY_HEX + 1) != KEY_HEX + 1 || fsync(fd) == -1 ||
	    (link(tmp, path) == -1 && errno != EEXIST))
		err_set(e, ERR_BROKEN, "%s: %s", path, strerror(errno));
	else
		res = 0;
	close(fd);
	unlink(tmp);
	secret_free(hex);
	secret_free(line);
	free(tmp);
	return res;
}

int
seal_key_load(const char *path, bool create, unsigned char key[SEAL_KEY_LEN],
    struct err *e)
{
	int	fd, res;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1 && errno == ENOENT && create) {
		if (key_create(path, e) == -1)
			return -1;
		log_info("secure", "made the secrets key %s", path);
		fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	if (fd == -1)
		return err_set(e, ERR_BROKEN, "%s: %s", path, strerror(errno));
	res = key_read(fd, path, key, e);
	close(fd);
	return res;
}
