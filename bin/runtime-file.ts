import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What a running installation says of itself, for commands and scripts. */
export interface RuntimeFile {
  readonly pid: number;
  readonly startedAt: string;
  readonly api: string;
  readonly kafka: string;
  readonly postgres: string;
  readonly redis: string;
  readonly registry?: string;
  /** Where the first admin key lies. */
  readonly keyFile: string;
}

const fileName = 'runtime.json';

/** Holds addresses with their passwords, so nobody else may read it. */
export function writeRuntimeFile(dataFolder: string, content: RuntimeFile): void {
  const file = join(dataFolder, fileName);
  writeFileSync(`${file}.new`, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

export function readRuntimeFile(dataFolder: string): RuntimeFile | null {
  try {
    return JSON.parse(readFileSync(join(dataFolder, fileName), 'utf8')) as RuntimeFile;
  } catch {
    return null;
  }
}

export function removeRuntimeFile(dataFolder: string): void {
  rmSync(join(dataFolder, fileName), { force: true });
}
