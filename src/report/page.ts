// One HTML page of one or several runs: a single file that needs neither network nor scripts.
import { grouped } from '../output/text.js'
import { packageInfo } from '../package.js'
import { renumberCharts } from './charts.js'
import { html, type Markup } from './markup.js'
import { runName, type Section } from './parts.js'
import type { ReportRun } from './runs.js'
import { checkpointSection } from './sections/checkpoints.js'
import { clientSection } from './sections/client.js'
import { comparisonSection } from './sections/comparison.js'
import { detailsSection, stamp } from './sections/details.js'
import { latencySection } from './sections/latency.js'
import { objectsSection } from './sections/objects.js'
import { headline, verdicts, warnings } from './sections/summary.js'
import { timeSection } from './sections/time.js'
import { phaseSection } from './sections/training.js'
import { style } from './style.js'

/** The page's text. The same runs give the same text. */
export function reportPage(runs: readonly ReportRun[]): string {
  const [first] = runs
  const single = runs.length === 1 && first !== undefined
  const names = [...new Set(runs.map(({ name }) => name))]
  const title = single ? first.name : names.length === 1 ? `${names[0]}: ${runs.length} runs` : `${runs.length} runs`
  const sections = [
    comparisonSection(runs),
    phaseSection(runs, 'train'),
    timeSection(runs),
    latencySection(runs),
    phaseSection(runs, 'evaluation'),
    checkpointSection(runs),
    objectsSection(runs),
    clientSection(runs),
    detailsSection(runs),
  ].filter((section) => section !== undefined)
  const { name, version } = packageInfo()
  // Nothing is loaded from anywhere; should markup slip in, it could neither run nor fetch.
  const policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="${name} ${version}">
<title>${title}</title>
<style>${style}</style>
</head>
<body>
<header>
<h1><bdi>${title}</bdi></h1>
${single ? subtitle(first) : runs.map((run, i) => html`<p class="sub">${runName(run, i)} · ${about(run)}</p>\n`)}
<nav>${sections.map(({ id, title: text }) => html`<a href="#${id}">${text}</a>`)}</nav>
</header>
<main>
${warnings(runs)}
${single ? headline(first) : verdicts(runs)}
${sections.map(({ id, title: text, body }: Section) => html`<section id="${id}"><h2>${text}</h2>\n${body}</section>\n`)}
</main>
<footer>Written by ${name} ${version}. Sizes are decimal (1 GB = 10⁹ bytes) unless they say GiB; how each figure is computed: docs/metrics.md. Hovering is not needed: every exact value is in the page’s source, as the <code>value</code> of its <code>data</code> element.</footer>
</body>
</html>
`
  return renumberCharts(page.text)
}

function subtitle(run: ReportRun): Markup {
  return html`<p class="sub">${about(run)}</p>`
}

/** One line: by what, how large, when. */
function about(run: ReportRun): string {
  const { result, job, program, measured } = run
  const ranks = result?.world.ranks ?? job?.ranks.length
  const hosts = result?.world.hosts ?? job?.input.hosts.length
  const format = result?.workload.format ?? measured.work['dataset.format']
  return [
    result ? `${result.tool.name} ${result.tool.version}` : program,
    ...(result ? [`${result.framework.name}, ${result.semantics}`] : []),
    ...(typeof format === 'string' ? [format] : []),
    ...(ranks === undefined
      ? []
      : [`${grouped(ranks)} ${ranks === 1 ? 'rank' : 'ranks'} on ${grouped(hosts ?? 1)} ${hosts === 1 ? 'host' : 'hosts'}`]),
    ...(stamp(run, 'begin') === undefined ? [] : [stamp(run, 'begin')!]),
  ].join(' · ')
}
