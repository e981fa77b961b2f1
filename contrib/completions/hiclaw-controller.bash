# bash completion for hiclaw-controller and the quick start

_hiclaw_controller() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
	case $prev in
	--config)
		COMPREPLY=($(compgen -f -- "$cur")); return ;;
	--explain)
		COMPREPLY=($(compgen -W "worker team human manager worker.spec \
			team.spec human.spec manager.spec" -- "$cur")); return ;;
	--domain|--url|--prefix)
		return ;;
	esac
	COMPREPLY=($(compgen -W "--config --check-config --print-config \
		--generate-registration --domain --url --prefix --print-crds \
		--print-schema --explain --list-faults --version --help" -- "$cur"))
}
complete -F _hiclaw_controller hiclaw-controller

_hiclaw_quickstart() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
	case $prev in
	paste)
		COMPREPLY=($(compgen -f -- "$cur")) ;;
	purge)
		COMPREPLY=($(compgen -W "-y" -- "$cur")) ;;
	*)
		[ "$COMP_CWORD" != 1 ] || COMPREPLY=($(compgen -W \
			"up paste status env down purge" -- "$cur")) ;;
	esac
}
complete -o filenames -F _hiclaw_quickstart ./quickstart quickstart
