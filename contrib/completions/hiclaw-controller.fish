# fish completion for hiclaw-controller and the quick start

set -l c complete -c hiclaw-controller
$c -l config -r -F -d 'settings'
$c -l prepare-gateway -f -d 'write what Envoy needs to start'
$c -l check-config -f -d 'check the settings and end'
$c -l print-config -f -d 'print the settings, secrets masked'
$c -l generate-registration -f -d 'print a registration for the homeserver'
$c -l domain -x -d 'server name'
$c -l url -x -d 'where the homeserver reaches us'
$c -l prefix -x -d 'prefix of accounts and aliases'
$c -l print-crds -f -d 'custom resource definitions'
$c -l print-schema -f -d 'JSON Schema of the manifests'
$c -l explain -x -a 'worker team human manager' -d 'what a field means'
$c -l restore-from-room -x -d 'make a lost database anew'
$c -l force -f -d 'also from receipts that are not whole'
$c -l list-faults -f -d 'points where tests end us'
$c -l version -f -d 'print the version'
$c -l help -f -d 'print a summary'

set -l q complete -c quickstart
$q -f
$q -n __fish_use_subcommand -a 'up paste status env down purge'
$q -n '__fish_seen_subcommand_from paste' -F
$q -n '__fish_seen_subcommand_from purge' -a '-y'
