import { createHash } from 'node:crypto';
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SyncError } from '../core/errors.ts';
import { runCommand } from './command.ts';
import type { SystemUser } from './service-process.ts';

/** Open to every user of the machine, unlike root's home. */
const sharedRoot = '/var/lib/syncline';

/** The user PostgreSQL runs as when we are root; nobody else needs another one. */
export function databaseUser(): SystemUser | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  const chosen = users.find(([name]) => name === 'postgres') ?? users.find(([name]) => name === 'nobody');
  return chosen === undefined ? { uid: 65534, gid: 65534 } : { uid: Number(chosen[2]), gid: Number(chosen[3]) };
}

export async function canUserRead(user: SystemUser, file: string): Promise<boolean> {
  return (await runCommand('/bin/sh', ['-c', 'test -r "$0" && test -x "$0"', file], { user, directory: '/' })).succeeded;
}

/** A folder that belongs to this user and can be entered by it: at the wished path, else under the shared root. */
export async function folderForUser(user: SystemUser | undefined, wished: string, part = 'postgres'): Promise<string> {
  if (user === undefined) {
    mkdirSync(wished, { recursive: true, mode: 0o700 });
    return wished;
  }
  for (const path of [wished, sharedPlace(part, wished)]) {
    if (!existsSync(path)) {
      mkdirSync(path, { mode: 0o700 });
      chownSync(path, user.uid, user.gid);
    }
    if (await canUserRead(user, path)) return path;
  }
  throw new SyncError('stack.start-failed', `${part}: no folder that user ${user.uid} can enter: ${wished}, ${sharedRoot}`, {
    details: { part },
  });
}

/** One folder for each original, so that two stacks never share one. */
export function sharedPlace(kind: string, original: string): string {
  if (!existsSync(sharedRoot)) {
    mkdirSync(sharedRoot, { recursive: true });
    chmodSync(sharedRoot, 0o755);
  }
  const key = createHash('sha256').update(original).digest('hex').slice(0, 12);
  return join(sharedRoot, `${kind}-${key}`);
}
