#!/bin/bash
# Tries the package as a service on a booted Debian: scripts/try-service.sh [--suite bookworm] [--root FOLDER] [--package FILE]
# A container with systemd as its PID 1 (systemd-nspawn), so it needs root. Installed, started, reloaded, stopped dead (SIGSTOP) and brought back by the
# watchdog, stopped, purged; ends with the first thing that is not as it should be. FOLDER: a root file system made before, which is left as it is.
# With --walk package or --walk script it goes the README's way instead, on a fresh Debian 13 with real OpenClaw, to a running service: see support/walk.sh.
source "$(dirname "${BASH_SOURCE[0]}")/support/prepare.sh"
source scripts/support/booted-debian.sh
source scripts/support/walk.sh

suite=bookworm root='' package='' walk=''
while (($# > 0)); do
	case $1 in
	--suite) suite=${2:?} && shift ;;
	--root) root=${2:?} && shift ;;
	--package) package=$(readlink -f "${2:?}") && shift ;;
	--walk) walk=${2:?--walk needs package or script} && shift ;;
	*)
		printf 'usage: scripts/try-service.sh [--suite SUITE] [--root FOLDER] [--package FILE] [--walk package|script]\n' >&2
		exit 2
		;;
	esac
	shift
done

install_packages
case $walk in
'') ;;
package | script)
	"walk_with_$walk"
	exit
	;;
*)
	printf 'there is no walk %s; there are package and script\n' "$walk" >&2
	exit 2
	;;
esac
if [[ -z $package ]]; then package=$(DEB_COMPRESSION=none scripts/package-deb.sh --with-node --output "$work" | tail -n 1); fi
make_root "$suite" systemd,systemd-sysv,dbus,logrotate
boot_machine --private-network --bind-ro="$package:/mnt/pairkeeper.deb"

heading 'Installed: enabled, and waiting for a configuration'
show dpkg --install /mnt/pairkeeper.deb
show systemctl is-enabled pairkeeper
is ConditionResult no || { printf 'NOT SO: it waits for its configuration\n' >&2; exit 1; }

heading 'Started'
inside mkdir -p /etc/pairkeeper /srv/alpha /srv/beta /etc/systemd/system/pairkeeper.service.d
# Gateways where nothing waits: what is tried is the service.
inside sh -c 'cat >/usr/local/bin/openclaw && chmod 755 /usr/local/bin/openclaw' <<'END'
#!/bin/sh
echo '{"pending":[],"paired":[]}'
END
inside sh -c 'cat >/etc/systemd/system/pairkeeper.service.d/quick.conf' <<'END'
[Service]
WatchdogSec=10s
END
systemd_version=$(inside systemctl --version | awk 'NR == 1 {print $2}')
# Newer ones wait for the end of a reload where they are told that it is said.
if ((systemd_version >= 253)); then
	inside sh -c 'printf "Type=notify-reload\nExecReload=\n" >>/etc/systemd/system/pairkeeper.service.d/quick.conf'
fi
write_config() {
	# Calls on this host write into their sandbox's state directory.
	inside sh -c "printf 'deadline: never\ndefaults: {transport: cli, env: {OPENCLAW_STATE_DIR: \"/srv/{name}\"}}\nsandboxes: [$1]\n' >/etc/pairkeeper/config.yaml"
}
write_config '{name: alpha}'
show cat /etc/pairkeeper/config.yaml
show systemctl daemon-reload
show pairkeeper check
show systemctl start pairkeeper
is ActiveState active || { inside journalctl -u pairkeeper --no-pager >&2; exit 1; }
eventually 'alpha is healthy' says '1 of 1 sandbox healthy'
show systemctl status --no-pager --lines=3 pairkeeper
show pairkeeper health

heading 'Reloaded: a sandbox more'
write_config '{name: alpha}, {name: beta}'
show systemctl reload pairkeeper
if ((systemd_version >= 253)); then
	inside grep --quiet '"generation": 2' /run/pairkeeper/status.json || { printf 'NOT SO: the reload has been waited for\n' >&2; exit 1; }
	printf '(the new configuration was in force when that returned: Type=notify-reload)\n'
fi
eventually 'both are healthy' says '2 of 2 sandboxes healthy'
show systemctl show pairkeeper --property=ActiveState,StatusText,NRestarts

heading 'SIGSTOP to the supervisor: the watchdog ends it, and systemd starts it again'
before=$(property MainPID)
show sh -c "kill -STOP $before"
eventually 'it has been started again' is NRestarts 1
eventually 'it is active again' is ActiveState active
eventually 'both are healthy again' says '2 of 2 sandboxes healthy'
show journalctl --unit=pairkeeper --no-pager --output=cat --grep='[Ww]atchdog|was killed|the shift|Scheduled restart|Started'
show systemctl show pairkeeper --property=MainPID,NRestarts,ActiveState,StatusText
[[ $(property MainPID) != "$before" ]]
if inside test -e "/proc/$before"; then printf 'NOT SO: process %s has ended\n' "$before" >&2; exit 1; fi

heading 'Stopped'
show systemctl stop pairkeeper
is ActiveState inactive && is Result success
show systemctl show pairkeeper --property=ActiveState,Result,ExecMainStatus
show sh -c 'grep -m1 "\"state\"" /run/pairkeeper/status.json; grep -l "^pairkeeper" /proc/[0-9]*/comm || echo "no process is left"'

heading 'Purged'
inside rm -r /etc/systemd/system/pairkeeper.service.d /usr/local/bin/openclaw
show dpkg --purge pairkeeper
show sh -c 'find / /run -xdev \( -path /proc -o -path /sys -o -path /mnt \) -prune -o -name "*pairkeeper*" -print'
left=$(inside find / /run -xdev \( -path /proc -o -path /sys -o -path /mnt \) -prune -o -name '*pairkeeper*' -print)
[[ -z $left ]] || { printf 'NOT SO: nothing is left\n' >&2; exit 1; }
printf '(nothing is left)\n'
