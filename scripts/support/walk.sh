# shellcheck shell=bash
# Sourced by try-service.sh: what a newcomer types who has a fresh machine, sandboxes of their own with the real OpenClaw, and the README. Two walks, each on a
# machine of its own: as a Debian package for the host, whose sandboxes are cells of a fleet; and by install.sh for a user, whose sandboxes are NemoClaw's.
who=root folder=/root typed=0 spent=0

# run_typed COMMAND [EXIT]: what is typed, what comes of it, and how long it took.
run_typed() {
	local code=0 begun=${EPOCHREALTIME/./} took
	printf '\n%s:%s$ %s\n' "$who" "$folder" "$1"
	as_typed "$1" >"${work:?}/output" 2>&1 || code=$?
	took=$(((${EPOCHREALTIME/./} - begun) / 100000))
	if (($(wc -l <"${work:?}/output") > 60)); then printf '…\n'; fi
	tail -n 60 "${work:?}/output"
	printf '(%s.%s s%s)\n' $((took / 10)) $((took % 10)) "$( ((code == 0)) || printf ', exit %s' "$code")"
	typed=$((typed + 1)) spent=$((spent + took))
	((code == ${2:-0})) || not_so "that ends with ${2:-0}"
}
# from_readme COMMAND: as run_typed, of what the README says.
from_readme() {
	grep --quiet --fixed-strings -- "$1" README.md || not_so "the README says it: $1"
	run_typed "$@"
}
as_typed() {
	# What this host trusts, the machine does: it may stand behind the same proxy.
	local authorities=NODE_EXTRA_CA_CERTS=/mnt/authorities.crt
	if [[ $who = root ]]; then
		inside env HOME=/root "$authorities" bash -c "cd $folder && $1" </dev/null
	else
		inside systemd-run --quiet --pipe --wait --collect --expand-environment=no --uid="$who" --property=PAMName=login --setenv="$authorities" \
			bash --login -c "cd $folder && $1" </dev/null
	fi
}

# begin_walk: a machine with nothing but Debian, and what its sandboxes have of OpenClaw: both releases, and a Node for them.
begin_walk() {
	local branch
	node scripts/setup-openclaw.ts
	make_root trixie systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd,logrotate
	# With a branch, where there is one, so that the clone is on it.
	mapfile -t branch < <(git branch --show-current)
	git bundle create --quiet "$work/pairkeeper.bundle" HEAD "${branch[@]}"
	boot_machine --capability=CAP_NET_ADMIN --bind-ro="$work/pairkeeper.bundle:/mnt/pairkeeper.bundle" --bind-ro="$PWD/scripts/support/scene:/mnt/scene" \
		--bind-ro=/etc/ssl/certs/ca-certificates.crt:/mnt/authorities.crt --bind-ro="$(readlink -f node_modules/.bin/node):/opt/openclaw/bin/node" \
		--bind-ro="$PWD/.openclaw/2026.9.6/node_modules:/opt/openclaw/2026.9.6/node_modules" --bind-ro="$PWD/.openclaw/2026.5.27/node_modules:/opt/openclaw/2026.5.27/node_modules"
}
end_walk() {
	local said=$1
	heading "$typed commands, $((spent / 10)) s; $said"
	end_machine
	typed=0 spent=0
}

# sandbox_of OWNER FOLDER VERSION PORT: what a gateway runs on.
sandbox_of() {
	local token locals=''
	token=$(od --address-radix=n --read-bytes=16 --format=x1 /dev/urandom | tr -d ' \n')
	# Known since 2026.8.2: devices on its own host have to ask too.
	if [[ $3 != 2026.5.27 ]]; then locals=', "nodes": {"pairing": {"autoApproveLocal": false}}'; fi
	inside install --directory --mode=700 "$2" "$2/.openclaw"
	inside tee "$2/environment" >/dev/null <<-END
		HOME=$2
		OPENCLAW_STATE_DIR=$2/.openclaw
		OPENCLAW_GATEWAY_PORT=$4
		OPENCLAW_GATEWAY_TOKEN=$token
		PATH=/opt/openclaw/$3/node_modules/.bin:/opt/openclaw/bin:/usr/local/bin:/usr/bin:/bin
	END
	inside tee "$2/.openclaw/openclaw.json" >/dev/null <<-END
		{"gateway": {"mode": "local", "port": $4, "auth": {"mode": "token"}$locals}, "update": {"checkOnStart": false}}
	END
	inside chmod 600 "$2/environment" "$2/.openclaw/openclaw.json"
	inside chown --recursive "$1:" "$2"
}
# answers EXEC…: whether the gateway that this leads to is ready.
answers() {
	# shellcheck disable=SC2016
	as_typed "$* node -e 'fetch(\`http://127.0.0.1:\${process.env.OPENCLAW_GATEWAY_PORT}/healthz\`).then(({ok}) => process.exit(ok ? 0 : 1), () => process.exit(1))'"
}
# free_port: one that nothing on this host's loopback has, nor the next few, some of which a gateway takes for itself.
free_port() {
	local port offset
	while true; do
		port=$((20000 + 20 * (RANDOM % 600)))
		for ((offset = 0; offset < 8; offset++)); do
			if (: <"/dev/tcp/127.0.0.1/$((port + offset))") 2>/dev/null; then continue 2; fi
		done
		printf '%s\n' "$port"
		return
	done
}

walk_with_package() {
	begin_walk
	heading 'What the host has: a fleet of two cells, and docker to enter them'
	inside useradd --system cell
	inside cp /mnt/scene/docker /mnt/scene/openclaw /usr/local/bin/
	inside cp /mnt/scene/cell@.service /etc/systemd/system/
	inside systemctl daemon-reload
	sandbox_of cell /srv/alpha 2026.9.6 18789
	sandbox_of cell /srv/beta 2026.5.27 18789
	inside tee /srv/fleet.json >/dev/null <<-END
		{"cells": [{"tenant": "alpha", "state": "running", "port": 19101, "image": "openclaw:2026.9.6", "created": "2026-11-01T00:00:00.000Z"},
		  {"tenant": "beta", "state": "running", "port": 19102, "image": "openclaw:2026.5.27", "created": "2026-11-01T00:00:00.000Z"}]}
	END
	inside systemctl start cell@alpha cell@beta
	folder=/usr/src
	run_typed 'docker ps'
	run_typed 'openclaw fleet list --json'

	heading 'Install'
	from_readme 'apt-get update && apt-get install --yes --no-install-recommends ca-certificates git npm'
	run_typed 'git clone --quiet /mnt/pairkeeper.bundle pairkeeper'
	folder=/usr/src/pairkeeper
	from_readme 'scripts/package-deb.sh --with-node'
	from_readme 'dpkg -i pairkeeper_*.deb'

	heading 'Configure and start'
	within 240 'the gateway of alpha is ready' answers docker exec openclaw-cell-alpha
	within 240 'the gateway of beta is ready' answers docker exec openclaw-cell-beta
	from_readme 'pairkeeper init --write --deadline never'
	run_typed 'cat /etc/pairkeeper/config.yaml'
	from_readme 'pairkeeper check'
	from_readme 'systemctl start pairkeeper'
	eventually 'both cells are found and healthy' says '2 of 2 sandboxes healthy'
	from_readme 'pairkeeper status'
	from_readme 'pairkeeper health'

	heading 'alpha (2026.9.6): the first request of a new device'
	run_typed "docker exec openclaw-cell-alpha node $folder/scripts/support/scene/ask.ts"
	eventually 'that is an approval' says '1 approved'
	heading 'beta (2026.5.27): its own CLI asks for more than it was paired with'
	run_typed 'docker exec openclaw-cell-beta openclaw devices list --json | head -n 5'
	run_typed 'docker exec openclaw-cell-beta openclaw cron list' 1
	eventually 'that is an approval too' says '2 approved'
	run_typed 'docker exec openclaw-cell-beta openclaw cron list'
	heading 'What pairkeeper says of it'
	from_readme 'pairkeeper status'
	run_typed 'pairkeeper status alpha'
	run_typed 'systemctl status --no-pager --lines=5 pairkeeper | cut -c 1-160'
	end_walk 'a fleet is watched by the package of Debian'
}

walk_with_script() {
	local alpha beta
	begin_walk
	heading 'What its user has: two sandboxes of NemoClaw, whose programs are in ~/.local/bin'
	inside useradd --create-home --shell /bin/bash ops
	inside loginctl enable-linger ops
	alpha=$(free_port)
	while beta=$(free_port) && [[ $beta = "$alpha" ]]; do :; done
	who=ops folder=/home/ops
	eventually 'the user can log in' as_typed 'mkdir -p ~/.local/bin ~/.config/systemd/user ~/sandboxes'
	as_typed 'cp /mnt/scene/nemoclaw /mnt/scene/openshell ~/.local/bin/ && cp /mnt/scene/gateway@.service ~/.config/systemd/user/'
	sandbox_of ops /home/ops/sandboxes/alpha 2026.9.6 "$alpha"
	sandbox_of ops /home/ops/sandboxes/beta 2026.5.27 "$beta"
	inside tee /home/ops/sandboxes/list.json >/dev/null <<-END
		{"schemaVersion": 1, "defaultSandbox": "alpha", "sandboxes": [{"name": "alpha", "agent": null, "dashboardPort": $alpha, "connected": true},
		  {"name": "beta", "agent": "openclaw", "dashboardPort": $beta, "connected": true}]}
	END
	as_typed 'systemctl --user daemon-reload && systemctl --user start gateway@alpha gateway@beta'
	run_typed 'nemoclaw list --json'

	heading 'Install'
	who=root folder=/root from_readme 'apt-get update && apt-get install --yes --no-install-recommends ca-certificates git npm'
	run_typed 'git clone --quiet /mnt/pairkeeper.bundle pairkeeper'
	folder=/home/ops/pairkeeper
	from_readme 'scripts/install.sh'

	heading 'Configure and start'
	folder=/home/ops
	# As it has said, where Debian's umask lets the user's group write.
	run_typed 'chmod go-w ~/.config'
	within 240 'the gateway of alpha is ready' answers openshell sandbox exec --name alpha --
	within 240 'the gateway of beta is ready' answers openshell sandbox exec --name beta --
	from_readme 'pairkeeper init --write --deadline never'
	run_typed 'cat ~/.config/pairkeeper/config.yaml'
	from_readme 'pairkeeper check'
	from_readme 'systemctl --user enable --now pairkeeper'
	# Denied where there is no polkit, as on a minimal Debian.
	from_readme 'loginctl enable-linger' 1
	who=root folder=/root run_typed 'loginctl enable-linger ops'
	eventually 'both sandboxes are found and healthy' user_unit_says '2 of 2 sandboxes healthy'
	from_readme 'pairkeeper status'
	from_readme 'pairkeeper health'

	heading 'alpha (2026.9.6): the first request of a new device'
	run_typed 'openshell sandbox exec --name alpha -- node ~/pairkeeper/scripts/support/scene/ask.ts'
	eventually 'that is an approval' user_unit_says '1 approved'
	heading 'beta (2026.5.27): its own CLI asks for more than it was paired with'
	run_typed 'openshell sandbox exec --name beta -- openclaw devices list --json | head -n 5'
	run_typed 'openshell sandbox exec --name beta -- openclaw cron list' 1
	eventually 'that is an approval too' user_unit_says '2 approved'
	run_typed 'openshell sandbox exec --name beta -- openclaw cron list'
	heading 'What pairkeeper says of it'
	from_readme 'pairkeeper status'
	run_typed 'pairkeeper status alpha'
	run_typed 'systemctl --user status --no-pager --lines=5 pairkeeper | cut -c 1-160'
	heading 'Undone'
	folder=/home/ops/pairkeeper
	from_readme 'scripts/install.sh --uninstall'
	end_walk 'sandboxes of NemoClaw are watched by what install.sh has installed for their user'
}
user_unit_says() { [[ $(as_typed 'systemctl --user show pairkeeper --property=StatusText --value') = *"$1"* ]]; }
