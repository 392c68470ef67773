import { isMissed, type Result } from './scenario.ts';

/** One JSON object a line, for machines. */
export function jsonLine(result: Result, calibration: number): string {
  const { scenario, value, unit, baseline, ratio, rssMB } = result;
  return JSON.stringify({
    scenario,
    value,
    unit,
    baseline,
    ratio,
    rssMB,
    missed: isMissed(result),
    calibration,
    ...result.notes,
  });
}

export function tableHead(): string {
  return row(['scenario', 'value', 'unit', 'wanted', '', 'RSS MB', 'calibration']);
}

export function tableRow(result: Result, calibration: number): string {
  const { scenario, value, unit, rssMB, notes } = result;
  const verdict = result.wanted === null ? '' : isMissed(result) ? 'MISSED' : 'ok';
  const cells = [scenario, figure(value), unit, wantedText(result), verdict, rssMB === null ? '' : figure(rssMB)];
  const details = Object.entries(notes).map(([name, note]) => `    ${name}: ${note}`);
  return [row([...cells, calibration.toFixed(0)]), ...details].join('\n');
}

function wantedText({ wanted }: Result): string {
  if (wanted === null) return '';
  return 'atLeast' in wanted ? `>= ${figure(wanted.atLeast)}` : `< ${figure(wanted.below)}`;
}

function figure(value: number): string {
  return value.toLocaleString('en', { maximumFractionDigits: Math.abs(value) < 10 ? 2 : 0 });
}

const widths = [20, 10, 40, 12, 7, 8, 11];

function row(cells: readonly string[]): string {
  return cells
    .map((cell, index) => cell.padEnd(widths[index]!))
    .join(' ')
    .trimEnd();
}
