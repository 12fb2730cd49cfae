#!/bin/bash
# A pretended `openclaw devices …` for one sandbox, whose state is the folder that OPENCLAW_STATE_DIR names; scripted-openclaw.ts fills it.
# What one call does is a piece of bash: the first of once.COMMAND.*, which is used up, else always.COMMAND, else `answer`, which does what a
# gateway would. It is found in the folder and may use what is defined here.
folder=$OPENCLAW_STATE_DIR command=$2 id=
[ $# = 4 ] && id=$3
shopt -s nullglob

# note WHAT …: one line in the record of calls, in one write.
note() {
	local what=$1 words
	shift
	printf -v words '%s\x1f' "$@"
	printf '%s\t%s\t%s\t%s\n' "$what" $$ "${EPOCHREALTIME/,/.}" "$words" >>"$folder/calls"
}

# entries KIND: what the gateway keeps of that kind, with commas between.
entries() {
	local file line separator=
	for file in "$folder/$1"/*; do
		IFS= read -r line 2>/dev/null <"$file" || continue
		printf '%s%s' "$separator" "$line"
		separator=,
	done
}

list() {
	printf '{"pending":['
	entries pending
	printf '],"paired":['
	entries paired
	printf ']}\n'
}

# find_pending: sets `entry` to the file of the pending request; fails where it is not pending.
find_pending() {
	local line
	for entry in "$folder"/pending/*; do
		IFS= read -r line 2>/dev/null <"$entry" || continue
		[[ $line == *"\"requestId\":\"$id\""* ]] && return
	done
	return 1
}

# settle KIND: moves the request away from the pending ones; fails where it is not pending.
settle() {
	local entry
	find_pending && mv "$entry" "$folder/$1/" 2>/dev/null
}

approve() {
	local entry device paired answer
	if ! find_pending; then
		echo 'unknown requestId' >&2
		exit 1
	fi
	{ IFS= read -r device; IFS= read -r paired; IFS= read -r answer; } <"$folder/grants/$id"
	# Killed in between, it has done nothing that a second call would not do again.
	printf '%s\n' "$paired" >"$folder/fresh.$$"
	mv "$folder/fresh.$$" "$folder/paired/$device"
	settle approved
	printf '%s\n' "$answer"
}

reject() {
	if ! settle rejected; then
		echo 'unknown requestId' >&2
		exit 1
	fi
	printf '{"requestId":"%s"}\n' "$id"
}

answer() {
	case $command in
		list | approve | reject) "$command" ;;
		*) exit 64 ;;
	esac
}

# appear NAME: a request that the test has put aside becomes pending.
appear() {
	mv "$folder/aside/$1" "$folder/pending/"
}

note start "$@"
trap 'note end $?' EXIT
behaviour=
for file in "$folder/once.$command".*; do
	mv "$file" "$folder/used.$$" 2>/dev/null || continue
	behaviour=$folder/used.$$
	break
done
[ -n "$behaviour" ] || [ ! -e "$folder/always.$command" ] || behaviour=$folder/always.$command
if [ -n "$behaviour" ]; then
	# shellcheck disable=SC1090
	. "$behaviour"
else
	answer
fi
