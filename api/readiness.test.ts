import { expect, test } from 'vitest';
import type { RoleView } from '../core/ports/read-store.ts';
import { silentForMs } from './readiness.ts';

function report(state: string, ageMs: number, details: RoleView['details'] = {}): RoleView {
  return { role: 'processor', instance: 'p', state, ageMs, details, reportedAt: '2026-01-01T00:00:00Z' };
}

test('a process that missed three reports is silent, by its own rhythm', () => {
  expect(silentForMs(report('running', 3_000))).toBeNull();
  expect(silentForMs(report('running', 3_001))).toBe(3_001);
  expect(silentForMs(report('starting', 4_000.4))).toBe(4_000);
  expect(silentForMs(report('running', 20_000, { reportEveryMs: 10_000 }))).toBeNull();
  expect(silentForMs(report('running', 31_000, { reportEveryMs: 10_000 }))).toBe(31_000);
});

test('nothing is missed of a process that has said that it ends', () => {
  expect(silentForMs(report('stopped', 50_000))).toBeNull();
  expect(silentForMs(report('failed', 50_000))).toBeNull();
});
