import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { SystemUser } from './service-process.ts';

export interface CommandOptions {
  readonly environment?: Readonly<Record<string, string>>;
  readonly user?: SystemUser | undefined;
  readonly directory?: string;
  readonly signal?: AbortSignal | undefined;
}

export interface CommandOutcome {
  readonly succeeded: boolean;
  /** What it wrote, standard output and error as they came. */
  readonly output: string;
}

const outputBytesMax = 256 * 1024;

/** Runs a command to its end. A command that cannot be run at all counts as one that failed. */
export function runCommand(file: string, args: readonly string[], options: CommandOptions = {}): Promise<CommandOutcome> {
  return new Promise((resolve) => {
    let output = '';
    const keep = (chunk: Buffer) => {
      output = (output + chunk.toString('utf8')).slice(-outputBytesMax);
    };
    const child = spawn(file, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...options.environment },
      ...(options.user ?? {}),
      ...(options.directory === undefined ? {} : { cwd: options.directory }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.once('error', (error) => resolve({ succeeded: false, output: `${output}${error.message}` }));
    child.once('close', (code) => resolve({ succeeded: code === 0, output }));
  });
}

export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Folders of package managers that a non-login shell often leaves out of the PATH. */
const extraFolders = ['/opt/homebrew/bin', '/usr/local/bin', '/usr/bin', '/usr/sbin'];

export function executablesNamed(name: string): string[] {
  const folders = [...(process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== ''), ...extraFolders];
  return [...new Set(folders)].map((folder) => join(folder, name)).filter(isExecutable);
}

export function lastLines(output: string, count = 8): string {
  return output
    .split('\n')
    .filter((line) => line.trim() !== '')
    .slice(-count)
    .join('\n  ');
}
