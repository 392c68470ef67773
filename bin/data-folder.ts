import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { reasonOf, SyncError } from '../core/errors.ts';

/** Step by step: asked for all of it at once, Node never returns where the system refuses without saying so (/proc). */
export function makeDataFolder(folder: string): void {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true) return;
  makeDataFolder(dirname(folder));
  try {
    mkdirSync(folder);
  } catch (error) {
    const message = `the data folder ${folder} cannot be made: ${reasonOf(error)}; name another with --data-dir`;
    throw new SyncError('config.invalid', message, { cause: error });
  }
}
