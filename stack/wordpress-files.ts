import { existsSync } from 'node:fs';
import { executablesNamed, runCommand } from './command.ts';
import type { FetchContext } from './package-cache.ts';
import { installSystemPart } from './system-packages.ts';

export interface WordpressFiles {
  /** WordPress as its package brings it: to be copied, not to be run in place. */
  readonly folder: string;
  readonly php: string;
}

const why = 'it is the WordPress of the tests';
const folder = '/usr/share/wordpress';

/** PHP counts only with the extension that reaches the database, WordPress only with a theme: without one its pages are empty. */
export async function findWordpress(): Promise<WordpressFiles | undefined> {
  const [php] = executablesNamed('php');
  const needed = ['wp-load.php', 'wp-content/themes/twentytwentythree/style.css'];
  if (php === undefined || !needed.every((file) => existsSync(`${folder}/${file}`))) return undefined;
  const { succeeded, output } = await runCommand(php, ['-m']);
  return succeeded && /^mysqli$/m.test(output) ? { folder, php } : undefined;
}

export async function provideWordpress(context: FetchContext): Promise<WordpressFiles> {
  const found = await findWordpress();
  if (found !== undefined) return found;
  await installSystemPart('wordpress', why, context);
  const installed = await findWordpress();
  if (installed === undefined) throw new Error('the packages of WordPress and PHP do not hold them where they are looked for');
  return installed;
}
