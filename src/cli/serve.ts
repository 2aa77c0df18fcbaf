// `dl-driver serve`: started by the Python package, not by people. Declaration only; the work is in serve/server.ts.
import type { Command } from 'commander'
import { lazily } from '../package.js'
import { parseWhole } from './options.js'

export function registerServe(program: Command): void {
  program
    .command('serve', { hidden: true })
    .description('Loads batches into memory that another process shares; speaks with it over inherited file descriptors.')
    .requiredOption('--control <fd>', 'socket for requests and answers', parseWhole)
    .requiredOption('--memory <fd>', 'file that both processes map', parseWhole)
    .action(async ({ control, memory }: { control: number; memory: number }) => {
      const { serve } = lazily<typeof import('../serve/server.js')>('serve/server.js')
      await serve(control, memory)
    })
}
