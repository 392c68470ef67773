import { randomBytes } from 'node:crypto';
import { AnswerSender } from '../../core/conflict/answer-sender.ts';
import { RelinkSender } from '../../core/identity/relink-sender.ts';
import { orderOf, type Position, positionOf } from '../../core/position.ts';
import type { RoleContext } from './role-context.ts';

const epoch = 1;

/** Decisions have no order among them, so their positions need only be new. */
export async function openAnswerSender({ log, codecs, topics, config, clock }: RoleContext): Promise<AnswerSender> {
  return new AnswerSender({
    producer: await log.producer(),
    codecs,
    topics,
    partitions: config.kafka.partitions,
    drawPosition: () => newPosition(clock),
  });
}

export async function openRelinkSender({ log, topics, config, clock }: RoleContext): Promise<RelinkSender> {
  return new RelinkSender({
    producer: await log.producer(),
    topics,
    partitions: config.kafka.partitions,
    nowMs: () => clock.nowMs(),
    drawPosition: () => newPosition(clock),
  });
}

function newPosition(clock: RoleContext['clock']): Position {
  return positionOf(epoch, `${orderOf(clock.nowMs() * 1_000)}-${randomBytes(6).toString('hex')}`);
}
