# shellcheck shell=sh
# Sourced in the project's folder.

# Of which sources dist/ was built; the build writes it.
built_from=node_modules/.cache/pairkeeper/built-from.sha256

# sources: all that dist/ is made of, a path a line, and somewhat more: a helper that is forgotten here would leave an old dist/ in use.
sources() {
	find supervisor worker scripts/build.sh scripts/bundle.ts scripts/generate.ts scripts/support package.json package-lock.json tsconfig.json -type f
}
# sources_digest: what stands for all of it.
sources_digest() { sources | LC_ALL=C sort | tr '\n' '\0' | xargs -0 sha256sum | sha256sum; }

# is_built: whether dist/ is there, and of these very sources.
is_built() {
	[ -x dist/supervisor/launcher.cjs ] && [ -f dist/man/pairkeeper.1 ] && [ "$(cat "$built_from" 2>/dev/null)" = "$(sources_digest)" ]
}
