# shellcheck shell=sh
# Sourced in the project's folder.

# Of which sources dist/ was built; who sources this reads or writes it.
# shellcheck disable=SC2034
built_from=node_modules/.cache/pairkeeper/built-from.sha256

# sources_digest: what stands for all that dist/ is made of.
sources_digest() {
	find supervisor worker scripts/build.sh scripts/bundle.ts scripts/generate.ts scripts/support/licences.ts scripts/support/man-page.ts \
		package.json package-lock.json tsconfig.json -type f -exec sha256sum {} + | LC_ALL=C sort | sha256sum
}
