#!/usr/bin/env node
// CommonJS on purpose: require() of the (ES module) program reads its files without libuv's thread pool, whose size is fixed at
// its first use, so that the run can still make the pool as large as the number of its readers.
if (process.argv[2] === '--version' || process.argv[2] === '-V') process.stdout.write(`${require('../package.json').version}\n`)
else require('../dist/cli/main.js').main(process.argv.slice(2))
