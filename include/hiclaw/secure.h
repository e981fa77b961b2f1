/*
 * Random numbers, digests, sealing, constant-time comparison (OpenSSL, used
 * only in src/base/secure.c).  Ends the process if the library fails.
 */
#ifndef HICLAW_SECURE_H
#define HICLAW_SECURE_H

#include "hiclaw/err.h"

#define SHA256_HEX	65	/* 64 digits and the terminator */
#define SEAL_KEY_LEN	32

void	 rand_bytes(void *, size_t);
char	*rand_hex(size_t nbytes);	/* yours; 2 * nbytes digits */
/* A password of `len` from letters and digits that are not mistaken. */
char	*rand_password(size_t len);
double	 rand_unit(void);		/* [0, 1), for jitter */

void	 sha256_hex(const void *, size_t, char out[SHA256_HEX]);
/* Lower-case hex, yours. */
char	*hmac_sha1_hex(const char *key, const void *, size_t);
#define SHA256_LEN	32
void	 hmac_sha256(const void *key, size_t keylen, const void *, size_t,
	    unsigned char out[SHA256_LEN]);
void	 pbkdf2_sha256(const char *password, const void *salt, size_t saltlen,
	    int rounds, unsigned char out[SHA256_LEN]);
char	*hex_encode(const void *, size_t);	/* lower case, yours */
char	*base64_encode(const void *, size_t);	/* padded, yours */
/* Terminated, yours; NULL when it is not base64.  Line ends are skipped. */
char	*base64_decode(const char *, size_t *len);
char	*sha256_base64(const void *, size_t);	/* padded, yours */
/* For protocols that ask for it; protects nothing.  Base64, yours. */
char	*md5_base64(const void *, size_t);
/* Equal, in time that does not depend on where they differ. */
bool	 secret_equal(const char *, const char *);
void	 secret_wipe(void *, size_t);
void	 secret_free(char *);		/* wipes, then frees; NULL is fine */

/*
 * AES-256-GCM with a random nonce; `name` is authenticated with it, so that a
 * sealed value cannot be moved to another name.  seal gives bytes that the
 * caller frees; unseal gives a terminated copy for secret_free, or NULL with
 * ERR_BROKEN if key, name or bytes do not fit.
 */
void	*seal(const unsigned char key[SEAL_KEY_LEN], const char *name,
	    const char *secret, size_t *outlen);
char	*unseal(const unsigned char key[SEAL_KEY_LEN], const char *name,
	    const void *, size_t, struct err *);
#define GCM_NONCE_LEN	12
#define GCM_TAG_LEN	16
/* AES-256-GCM as others define it: len bytes of text and the tag into out.  A
 * nonce must not come twice with one key. */
void	 gcm_seal(const unsigned char key[SEAL_KEY_LEN],
	    const unsigned char nonce[GCM_NONCE_LEN], const void *aad,
	    size_t aad_len, const void *text, size_t len, unsigned char *out);
/*
 * Read the key file (64 hex digits), or make it, mode 0600, when absent and
 * `create`.  A file that others may read is refused.
 */
int	 seal_key_load(const char *path, bool create,
	    unsigned char key[SEAL_KEY_LEN], struct err *) MUST_CHECK;

#endif
