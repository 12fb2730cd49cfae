#!/bin/bash
# Installs pairkeeper from this folder, as root for the host, else (or with --user) for the user: scripts/install.sh [--user] [--uninstall].
# May be run again, for a newer version too; a configuration is never written over. With DESTDIR everything goes below that folder, and nothing is started.
source "$(dirname "${BASH_SOURCE[0]}")/support/prepare.sh"
source scripts/support/stage.sh
umask 022

scope=host uninstall=false
[[ $(id -u) = 0 ]] || scope=user
for argument; do
	case $argument in
	--user) scope=user ;;
	--uninstall) uninstall=true ;;
	*)
		printf 'usage: scripts/install.sh [--user] [--uninstall]\n' >&2
		exit 2
		;;
	esac
done

if [[ $scope = host ]]; then
	library=/opt/pairkeeper command=/usr/local/bin/pairkeeper share=/usr/local/share
	units=/etc/systemd/system unit_file=pairkeeper.service configuration=/etc/pairkeeper fish=vendor_completions.d
	systemctl=(systemctl)
else
	library=$HOME/.local/lib/pairkeeper command=$HOME/.local/bin/pairkeeper share=$HOME/.local/share
	units=${XDG_CONFIG_HOME:-$HOME/.config}/systemd/user unit_file=pairkeeper-user.service
	configuration=${XDG_CONFIG_HOME:-$HOME/.config}/pairkeeper fish=vendor_completions.d
	systemctl=(systemctl --user)
fi
into=${DESTDIR:-}
# What was installed beside the program, a path a line; the undo takes away these and no others.
manifest=$into$library/installed

rotation=/etc/logrotate.d/pairkeeper
# is_edited: whether somebody has changed what was put there, since the program keeps beside it what that was.
is_edited() { [[ -e $into$rotation ]] && ! cmp --quiet "$into$library/logrotate.conf" "$into$rotation"; }

has_systemd() { [[ -z $into && -d /run/systemd/system ]] && "${systemctl[@]}" show-environment >/dev/null 2>&1; }

remove() {
	if [[ ! -f $manifest ]]; then
		printf 'pairkeeper is not installed in %s by this script: nothing to do\n' "$into$library"
		return
	fi
	if has_systemd; then "${systemctl[@]}" disable --now pairkeeper.service >/dev/null 2>&1 || true; fi
	while IFS= read -r file; do
		if [[ $file = "$rotation" ]] && is_edited; then
			printf 'left       %s, since it was changed\n' "$into$file"
			continue
		fi
		rm -f "$into$file"
		printf 'removed    %s\n' "$into$file"
	done <"$manifest"
	rm -rf "$into$library"
	printf 'removed    %s\n' "$into$library"
	if has_systemd; then "${systemctl[@]}" daemon-reload; fi
	printf 'left       %s, and whatever pairkeeper has written (its logs, its records)\n' "$into$configuration"
}

if $uninstall; then
	remove
	exit
fi

# place FILE TARGET: copies a file, and notes it for the undo.
place() {
	mkdir -p "$(dirname "$into$2")"
	install -m 644 "$1" "$into$2"
	note "$2"
}
note() {
	printf '%s\n' "$1" >>"$manifest.new"
	printf 'installed  %s\n' "$into$1"
}

# usable_node: the machine's own Node, where pairkeeper runs on it. This folder's, which may go away, does not count.
usable_node() {
	local node elsewhere=:$PATH: here=:$PWD/node_modules/.bin:
	while [[ $elsewhere = *"$here"* ]]; do elsewhere=${elsewhere/"$here"/:}; done
	node=$(PATH=$elsewhere command -v node) || return 1
	"$node" --eval 'const [major, minor] = process.versions.node.split("."); process.exit(major > 22 || (major == 22 && minor >= 19) ? 0 : 1)' &&
		printf '%s\n' "$node"
}

if [[ -e $into$library && ! -e $manifest ]]; then
	printf 'error: %s is there, and was not installed by this script; move it away\n' "$into$library" >&2
	exit 1
fi
install_packages
build_if_needed
mkdir -p "$into$(dirname "$library")" "$into$(dirname "$command")" "$into$units"
# The new program stands complete before the old one goes.
fresh=$(mktemp -d "$into$library.XXXXXX")
trap 'rm -rf "$fresh"' EXIT
stage "$fresh"
if node=$(usable_node); then
	ln -s "$node" "$fresh/node"
	runs_on="$node"
else
	cp "$(readlink -f node_modules/.bin/node)" "$fresh/node"
	runs_on="a Node of its own, since this host has none from 22.19 on"
fi
chmod 755 "$fresh"
# What an older version had elsewhere stays known to the undo.
cat "$manifest" >"$fresh/installed.new" 2>/dev/null || true
rotates=true
if is_edited && ! cmp --quiet scripts/packaging/logrotate.conf "$into$rotation"; then rotates=false; fi
cp scripts/packaging/logrotate.conf "$fresh/logrotate.conf"
rm -rf "$into$library"
mv "$fresh" "$into$library"
printf 'installed  %s (on %s)\n' "$into$library" "$runs_on"

launcher "$library" "$into$command" && note "$command"
unit "$unit_file" "$command" "$into$units/pairkeeper.service" && note "$units/pairkeeper.service"
place dist/man/pairkeeper.1 "$share/man/man1/pairkeeper.1"
place dist/completion/pairkeeper.bash "$share/bash-completion/completions/pairkeeper"
place dist/completion/pairkeeper.zsh "$share/zsh/site-functions/_pairkeeper"
place dist/completion/pairkeeper.fish "$share/fish/$fish/pairkeeper.fish"
place scripts/packaging/config.example.yaml "$configuration/config.example.yaml"
if [[ $scope = host ]]; then
	place scripts/packaging/tmpfiles.conf /etc/tmpfiles.d/pairkeeper.conf
	if $rotates; then
		place scripts/packaging/logrotate.conf "$rotation"
	else
		printf 'kept       %s as it is\n' "$into$rotation"
	fi
fi
sort -u "$manifest.new" >"$manifest"
rm "$manifest.new"
if has_systemd; then "${systemctl[@]}" daemon-reload; fi

printf '\nNext:\n'
# Where a user's own group may write, as Debian lets it, no configuration is read.
if [[ $scope = user ]]; then
	find -L "$into$HOME" "$into${XDG_CONFIG_HOME:-$HOME/.config}" "$into$configuration" -maxdepth 0 -perm /022 \
		-printf '  chmod go-w %p    (else others could write the configuration)\n'
fi
if [[ -e $into$configuration/config.yaml ]]; then
	printf '  kept %s as it is\n' "$into$configuration/config.yaml"
else
	printf '  %s init --write --deadline never    (writes %s/config.yaml of what is found here; or copy config.example.yaml, beside it)\n' \
		"$command" "$configuration"
fi
printf '  %s check\n' "$command"
printf '  %s enable --now pairkeeper    (restart pairkeeper, where it runs already)\n' "${systemctl[*]}"
printf '  %s status\n' "$command"
[[ $scope = host ]] || printf '  loginctl enable-linger          so that it goes on after your logout (where that is denied, as root: loginctl enable-linger %s)\n' "$(id -un)"
printf 'To undo it: scripts/install.sh%s --uninstall\n' "$([[ $scope = user && $(id -u) = 0 ]] && printf ' --user')"
