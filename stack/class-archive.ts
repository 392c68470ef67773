import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Java } from './java.ts';
import { type FetchContext, fetchOnce, isFetched } from './package-cache.ts';

/**
 * Java reads and checks thousands of classes at every start; an archive of them, written once at the end of a
 * trial run, halves the time. It fits one Java and one set of jars, which its name therefore carries.
 */
export interface ClassArchive {
  readonly name: string;
  readonly java: Java;
  /** What the archive depends on: the jars' place. */
  readonly classPath: string;
  /** Runs the program once with these extra Java arguments in this scratch folder and ends it gracefully. */
  readonly trial: (javaArguments: readonly string[], scratch: string) => Promise<void>;
}

function classArchiveFile(archive: Omit<ClassArchive, 'trial'>): string {
  const key = createHash('sha256')
    .update(`${archive.java.binary}\n${archive.java.version}\n${archive.classPath}`)
    .digest('hex')
    .slice(0, 12);
  return join('class-archives', `${archive.name}-${key}.jsa`);
}

export function hasClassArchive(archive: Omit<ClassArchive, 'trial'>): boolean {
  return isFetched(classArchiveFile(archive));
}

/** The Java arguments that use the archive, which is made first where there is none. */
export async function provideClassArchive(archive: ClassArchive, context: FetchContext): Promise<string[]> {
  const file = await fetchOnce(classArchiveFile(archive), context, async (target) => {
    context.onProgress(`${archive.name}: preparing a class archive for quicker starts, once`);
    const scratch = join(dirname(target), `${basename(target)}.scratch`);
    rmSync(scratch, { recursive: true, force: true });
    mkdirSync(scratch, { recursive: true });
    try {
      await archive.trial([`-XX:ArchiveClassesAtExit=${target}`], scratch);
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
    if (!existsSync(target)) throw new Error(`${archive.name}: the trial run wrote no class archive`);
  });
  return ['-Xshare:auto', `-XX:SharedArchiveFile=${file}`];
}
