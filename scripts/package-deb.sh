#!/bin/bash
# Builds the Debian package: scripts/package-deb.sh [--with-node] [--output FOLDER] [--maintainer 'NAME <ADDRESS>']; the last line that it prints is the
# package's path.
# --maintainer: who answers for this package; else, as Debian's own tools have it, DEBFULLNAME and DEBEMAIL, else who builds it.
# --with-node: the Node of the development packages goes in, so that the host needs none (Debian 12's and 13's own are too old).
source "$(dirname "${BASH_SOURCE[0]}")/support/prepare.sh"
source scripts/support/stage.sh
umask 022

with_node=false output=$PWD maintainer=''
while (($# > 0)); do
	case $1 in
	--with-node) with_node=true ;;
	--output) output=${2:?--output needs a folder} && shift ;;
	--maintainer) maintainer=${2:?--maintainer needs a name and an address} && shift ;;
	*)
		printf 'usage: scripts/package-deb.sh [--with-node] [--output FOLDER] [--maintainer '\''NAME <ADDRESS>'\'']\n' >&2
		exit 2
		;;
	esac
	shift
done

install_packages
need dpkg-deb dpkg
build_if_needed
version=$(node --print 'require("./package.json").version')
architecture=$(dpkg --print-architecture)
if [[ -z $maintainer ]]; then
	author=$(node --print 'const {author} = require("./package.json"); author.name ?? author')
	maintainer="${DEBFULLNAME:-$author} <${DEBEMAIL:-${EMAIL:-$(id -un)@$(hostname --fqdn 2>/dev/null || hostname)}}>"
fi
if [[ ! $maintainer =~ ^[^\<\>$'\n']+\ \<[^\<\>@[:space:]]+@[^\<\>@[:space:]]+\>$ ]]; then
	printf 'error: %q is not a maintainer; write NAME <ADDRESS>\n' "$maintainer" >&2
	exit 2
fi
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
into() { mkdir -p "$root/$1"; }

into usr/bin && into usr/lib/systemd/system && into usr/lib/systemd/user && into usr/lib/tmpfiles.d && into etc/logrotate.d
into usr/share/man/man1 && into usr/share/bash-completion/completions && into usr/share/zsh/vendor-completions
into usr/share/fish/vendor_completions.d && into usr/share/doc/pairkeeper/examples && into DEBIAN
stage "$root/usr/lib/pairkeeper"
depends='nodejs (>= 22.19), libc6'
if $with_node; then
	cp "$(readlink -f node_modules/.bin/node)" "$root/usr/lib/pairkeeper/node"
	cp node_modules/node/LICENSE "$root/usr/lib/pairkeeper/LICENSE.node" 2>/dev/null || true
	depends='libc6, libstdc++6, libgcc-s1'
	into usr/share/lintian/overrides && cp scripts/packaging/debian/lintian-overrides "$root/usr/share/lintian/overrides/pairkeeper"
fi
launcher /usr/lib/pairkeeper "$root/usr/bin/pairkeeper"
unit pairkeeper.service /usr/bin/pairkeeper "$root/usr/lib/systemd/system/pairkeeper.service"
unit pairkeeper-user.service /usr/bin/pairkeeper "$root/usr/lib/systemd/user/pairkeeper.service"
cp scripts/packaging/tmpfiles.conf "$root/usr/lib/tmpfiles.d/pairkeeper.conf"
cp scripts/packaging/logrotate.conf "$root/etc/logrotate.d/pairkeeper"
cp scripts/packaging/config.example.yaml "$root/usr/share/doc/pairkeeper/examples/config.yaml"
gzip -9n <dist/man/pairkeeper.1 >"$root/usr/share/man/man1/pairkeeper.1.gz"
cp dist/completion/pairkeeper.bash "$root/usr/share/bash-completion/completions/pairkeeper"
cp dist/completion/pairkeeper.zsh "$root/usr/share/zsh/vendor-completions/_pairkeeper"
cp dist/completion/pairkeeper.fish "$root/usr/share/fish/vendor_completions.d/pairkeeper.fish"
cp scripts/packaging/debian/copyright "$root/usr/share/doc/pairkeeper/copyright"
gzip -9n >"$root/usr/share/doc/pairkeeper/changelog.gz" <<-END
	pairkeeper ($version) unstable; urgency=medium

	  * Built from the sources of version $version.

	 -- $maintainer  $(LC_ALL=C date --utc --date="@$epoch" '+%a, %d %b %Y %H:%M:%S +0000')
END
rm -rf "$root/usr/lib/pairkeeper/dist/man" "$root/usr/lib/pairkeeper/dist/completion"

cp scripts/packaging/debian/{postinst,prerm,postrm} "$root/DEBIAN/"
printf '/etc/logrotate.d/pairkeeper\n' >"$root/DEBIAN/conffiles"
cat >"$root/DEBIAN/control" <<END
Package: pairkeeper
Version: $version
Architecture: $architecture
Maintainer: $maintainer
Section: net
Priority: optional
Depends: $depends
Pre-Depends: init-system-helpers (>= 1.54~)
Suggests: logrotate
Installed-Size: $(du -sk --exclude=DEBIAN "$root" | cut -f1)
Description: keeps one pairing watcher alive per OpenClaw sandbox
 A host runs many agent sandboxes, each with an OpenClaw gateway. When a client
 in a sandbox pairs, or asks for more scopes, its gateway waits for somebody to
 approve it. pairkeeper watches all gateways of a host, approves what its policy
 allows within milliseconds, never more, and tells what waits for a person.
END
chmod -R u=rwX,go=rX "$root"
chmod 755 "$root"/DEBIAN/{postinst,prerm,postrm} "$root/usr/bin/pairkeeper"
# Debian's C library is glibc.
rm -rf "$root"/usr/lib/pairkeeper/node_modules/@koromix/*/musl_*
# It is started by the command alone, with the Node that that has found.
chmod a-x "$root/usr/lib/pairkeeper/dist/supervisor/launcher.cjs"
sed -i 1d "$root/usr/lib/pairkeeper/dist/supervisor/launcher.cjs"
(cd "$root" && find etc usr -type f -print0 | sort -z | xargs -0 md5sum >DEBIAN/md5sums)
find "$root" -newermt "@$epoch" -exec touch --no-dereference --date="@$epoch" {} +
package=$output/pairkeeper_${version}_$architecture.deb
dpkg-deb --root-owner-group -Z"${DEB_COMPRESSION:-xz}" --build "$root" "$package" >/dev/null
printf '%s\n' "$package"
