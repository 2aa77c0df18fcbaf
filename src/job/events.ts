// The engine's messages as the events that logs and terminals understand.
import type { ThreadMessage } from '../engine/messages.js'
import { describeBlock, evaluationFigures, formulas } from '../metrics/formulas.js'
import { checkpointSeconds } from '../metrics/summary.js'
import type { RunLog } from '../output/events.js'
import type { Plan } from '../plan/types.js'

/** Listener of the engine that tells `log` what happens. */
export function eventsOf(plan: Plan, log: RunLog): (message: ThreadMessage) => void {
  const { workload } = plan
  const rule = { excludeStartSteps: workload.output.excludeStartSteps, excludeEndSteps: workload.output.excludeEndSteps }
  const trainRule = { ...rule, plannedSteps: plan.train.steps }
  const evalRule = { ...rule, plannedSteps: plan.valid.steps }
  return (message) => {
    switch (message.kind) {
      case 'epochStarts':
        log.event({
          type: 'epochStart',
          atMs: message.timeMs,
          epoch: message.epoch,
          steps: message.steps,
          capped: workload.train.totalTrainingSteps > 0,
        })
        log.event({ type: 'blockStart', atMs: message.timeMs, epoch: message.epoch, block: 1 })
        return
      case 'blockEnds': {
        const described = describeBlock(message.steps, workload.reader.batchSize, trainRule)
        log.event({ type: 'blockEnd', atMs: message.steps.endMs, epoch: message.epoch, block: message.block, described })
        return
      }
      case 'blockStarts':
        log.event({ type: 'blockStart', atMs: message.timeMs, epoch: message.epoch, block: message.block })
        return
      case 'trainEnds':
        log.event({
          type: 'epochEnd',
          atMs: message.timeMs,
          epoch: message.epoch,
          steps: message.steps,
          seconds: message.durationMs / 1000,
        })
        return
      case 'checkpointSeries':
        log.event({ type: 'checkpointSeries', atMs: message.timeMs, kind: message.op, phase: message.phase })
        return
      case 'checkpointStarts': {
        const { op: kind, epoch, block, step } = message
        log.event({ type: 'checkpointStart', atMs: message.timeMs, kind, epoch, block, step })
        return
      }
      case 'checkpointEnds': {
        const { op: kind, epoch, block, record, parts } = message
        log.event({
          type: 'checkpointEnd',
          atMs: record.endMs,
          kind,
          epoch,
          block,
          seconds: checkpointSeconds(record),
          sizeBytes: record.sizeBytes,
          ...(parts.model === undefined ? {} : { modelSeconds: parts.model / 1000 }),
          ...(parts.optimizer === undefined ? {} : { optimizerSeconds: parts.optimizer / 1000 }),
        })
        return
      }
      case 'evalStarts':
        log.event({ type: 'evalStart', atMs: message.timeMs, epoch: message.epoch, steps: message.steps })
        return
      case 'evalEnds': {
        const figures = evaluationFigures(message.steps, workload.reader.batchSizeEval, evalRule, formulas.default)
        const seconds = (message.steps.endMs - message.steps.beginMs) / 1000
        log.event({ type: 'evalEnd', atMs: message.steps.endMs, epoch: message.epoch, seconds, ...figures })
        return
      }
      case 'stalled':
        log.line(
          'warning',
          `rank ${message.rank} has waited ${message.seconds} s for step ${message.step}; the first file of its batch is ${message.file}`,
        )
        return
      default:
        return
    }
  }
}
