# fish completion for hiclaw

set -l c complete -c hiclaw
$c -f
$c -n __fish_use_subcommand -a apply -d 'make what the manifests declare'
$c -n __fish_use_subcommand -a plan -d 'show what apply would change'
$c -n __fish_use_subcommand -a get -d 'list resources, or show one'
$c -n __fish_use_subcommand -a describe -d 'show one with all that is declared'
$c -n __fish_use_subcommand -a delete -d 'delete with all it has'
$c -n __fish_use_subcommand -a 'wake sleep ensure-ready restart logs' -d 'agents'
$c -n __fish_use_subcommand -a join -d 'run an agent here, for a controller elsewhere'
$c -n __fish_use_subcommand -a transcript -d 'test what a bot says and who may do what'
$c -n __fish_use_subcommand -a 'status version' -d 'of the controller'
$c -n __fish_use_subcommand -a worker -d 'older forms'
$c -n '__fish_seen_subcommand_from get describe delete' -a 'worker team human manager'
$c -n '__fish_seen_subcommand_from wake sleep ensure-ready restart logs' \
	-a "(hiclaw get workers -o name 2>/dev/null | string replace -r '.*/' '')"
$c -n '__fish_seen_subcommand_from apply plan' -s f -l filename -r -F -d 'manifest'
$c -n '__fish_seen_subcommand_from apply' -l dry-run -d 'only show'
$c -n '__fish_seen_subcommand_from apply' -l no-wait -d 'do not wait'
$c -n '__fish_seen_subcommand_from apply delete' -s y -l yes -d 'ask nothing'
$c -n '__fish_seen_subcommand_from get status version' -s o -l output -x -a 'wide json yaml name'
$c -n '__fish_seen_subcommand_from logs' -l tail -x -d 'lines'
