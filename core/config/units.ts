import { z } from 'zod';

/**
 * Every duration and size of the configuration names its unit last (`delayMs`, `recordBytesMax`). It is written as
 * a number in that unit or as text with a unit of its own: `10s`, `1MB`.
 */
const durationUnits: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const sizeUnits: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
};

export interface Bounds {
  readonly min: number;
  readonly max: number;
}

export function durationMs({ min, max }: Bounds) {
  return quantity(durationUnits, 'a duration: milliseconds, or a number with ms, s, m, h or d, such as 10s')
    .pipe(
      z
        .number()
        .min(min, `at least ${formatDuration(min)}`)
        .max(max, `at most ${formatDuration(max)}`),
    )
    .meta({ unit: 'duration' });
}

export function byteSize({ min, max }: Bounds) {
  return quantity(sizeUnits, 'a size: bytes, or a number with kB, MB, GB, KiB, MiB or GiB, such as 1MB')
    .pipe(z.int().min(min, `at least ${min} bytes`).max(max, `at most ${max} bytes`))
    .meta({ unit: 'size' });
}

function quantity(units: Readonly<Record<string, number>>, wanted: string) {
  const pattern = new RegExp(`^\\d+(\\.\\d+)? ?(${Object.keys(units).join('|')})$`);
  return z
    .union([z.number(), z.string().regex(pattern, `expected ${wanted}`)], { error: `expected ${wanted}` })
    .transform((value) => (typeof value === 'number' ? value : parseQuantity(value, units)));
}

function parseQuantity(text: string, units: Readonly<Record<string, number>>): number {
  const unit = text.replace(/^[\d. ]+/, '');
  const factor = units[unit];
  return factor === undefined ? Number.NaN : Math.round(Number.parseFloat(text) * factor);
}

function formatDuration(ms: number): string {
  for (const unit of ['d', 'h', 'm', 's']) {
    const factor = durationUnits[unit] ?? 1;
    if (ms >= factor && ms % factor === 0) return `${ms / factor}${unit}`;
  }
  return `${ms}ms`;
}
