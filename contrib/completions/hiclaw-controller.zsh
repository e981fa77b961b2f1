#compdef hiclaw-controller quickstart

_hiclaw_controller() {
	_arguments \
		'--config[settings]:file:_files' \
		'--check-config[check the settings and end]' \
		'--print-config[print the settings, secrets masked]' \
		'--generate-registration[print a registration for the homeserver]' \
		'--domain[server name]:domain:' \
		'--url[where the homeserver reaches us]:url:' \
		'--prefix[prefix of accounts and aliases]:prefix:' \
		'--print-crds[custom resource definitions]' \
		'--print-schema[JSON Schema of the manifests]' \
		'--explain[what a field means]:path:(worker team human manager)' \
		'--list-faults[points where tests end us]' \
		'--version[print the version]' \
		'--help[print a summary]'
}

_hiclaw_quickstart() {
	_arguments \
		'1:command:((up\:"build and start what is not running" paste\:"post a manifest" status\:"what runs" env\:"settings for scripts" down\:"stop" purge\:"stop and delete"))' \
		'2:file:_files'
}

case $service in
quickstart) _hiclaw_quickstart "$@" ;;
*) _hiclaw_controller "$@" ;;
esac
