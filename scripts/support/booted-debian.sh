# shellcheck shell=bash
# Sourced after prepare.sh: a booted Debian, in a container with systemd as its PID 1 (systemd-nspawn), so it needs root. It ends with the script, and nothing of
# it is left.
work=$(mktemp -d)
boot='' leader=''

end_machine() {
	if [[ -n $leader ]]; then kill -RTMIN+4 "$leader" 2>/dev/null || true; fi
	if [[ -n $boot ]]; then
		for ((tries = 0; tries < 300; tries++)); do
			kill -0 "$boot" 2>/dev/null || break
			sleep 0.1
		done
		kill -KILL "$boot" 2>/dev/null || true
		wait "$boot" 2>/dev/null || true
	fi
	boot='' leader=''
}
cleanup() {
	end_machine
	rm -rf --one-file-system "$work"
}
trap cleanup EXIT

# make_root SUITE PACKAGES: a root file system in $root, where none was named.
make_root() {
	if [[ -n $root ]]; then return; fi
	need mmdebstrap mmdebstrap
	root=$work/root
	printf 'Making a root file system of Debian %s…\n' "$1"
	mmdebstrap --quiet --variant=minbase --include="$2" "$1" "$root" >"$work/mmdebstrap.log" 2>&1
}

# boot_machine OPTIONS…: boots what is in $root, which stays as it is; the options are systemd-nspawn's.
boot_machine() {
	need systemd-nspawn systemd-container
	systemd-nspawn --quiet --directory="$root" --volatile=overlay --register=no --keep-unit --console=pipe "$@" --boot </dev/null >"$work/boot.log" 2>&1 &
	boot=$!
	eventually 'the container has a PID 1' find_leader
	eventually 'the container has booted' has_booted
	heading 'Booted'
	# shellcheck disable=SC2016
	show sh -c '. /etc/os-release; echo "$PRETTY_NAME, PID 1 is $(cat /proc/1/comm), systemd $(systemctl --version | head -n 1 | cut -d" " -f2)"'
}
find_leader() { leader=$(pgrep --parent "$boot" | head -n 1) && [[ -n $leader ]]; }
has_booted() { [[ $(inside systemctl is-system-running) =~ running|degraded ]]; }

# eventually TEXT COMMAND…: waits until it succeeds, a minute at most.
eventually() { within 60 "$@"; }
# within SECONDS TEXT COMMAND…: waits until it succeeds, no longer than that.
within() {
	local until=$((SECONDS + $1)) text=$2
	shift 2
	while ((SECONDS < until)); do
		if "$@" >/dev/null 2>&1; then return; fi
		sleep 0.1
	done
	not_so "$text"
}
not_so() {
	printf 'NOT SO: %s\n' "$1" >&2
	inside journalctl --no-pager --lines=40 >&2 || true
	exit 1
}
inside() { nsenter --target "$leader" --all env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 "$@"; }
# show COMMAND…: what a person would type, and see.
show() {
	printf '\n# %s\n' "$*"
	inside "$@" 2>&1 || true
}
property() { inside systemctl show pairkeeper --property="$1" --value; }
is() { [[ $(property "$1") = "$2" ]]; }
says() { [[ $(property StatusText) = *"$1"* ]]; }
heading() { printf '\n== %s\n' "$1"; }
