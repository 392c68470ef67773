import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startGuardian } from '../stack/guardian.ts';
import { claimPort, giveBackPort } from '../stack/ports.ts';
import { endProcess } from '../stack/process-end.ts';
import { waitUntilReady } from '../stack/readiness.ts';
import { startService } from '../stack/service-process.ts';
import { makeTestDirectory } from '../stack/test-stack.ts';
import { provideWordpress } from '../stack/wordpress-files.ts';
import { openTestMysql, type TestMysql } from './mysql-database.ts';

const run = promisify(execFile);

/** A real WordPress of the test's own. */
export interface TestWordpress {
  readonly database: TestMysql;
  /** Without a slash at the end. */
  readonly url: string;
  /** Runs PHP inside WordPress and returns what it prints. */
  php(code: string): Promise<string>;
  /** The body of a page. */
  page(path: string): Promise<string>;
  rest<T>(path: string): Promise<T>;
  close(): Promise<void>;
}

const memory = ['-d', 'memory_limit=512M'];

export async function openTestWordpress(): Promise<TestWordpress> {
  const { folder, php } = await provideWordpress({ onProgress: () => undefined });
  const database = await openTestMysql();
  const directory = makeTestDirectory();
  const port = await claimPort();
  const url = `http://127.0.0.1:${port}`;
  const site = join(directory, 'site');
  cpSync(folder, site, { recursive: true, dereference: true, filter: (path) => !path.endsWith('wp-config.php') });
  for (const name of ['plugins', 'uploads', 'languages']) mkdirSync(join(site, 'wp-content', name), { recursive: true });
  writeFileSync(join(site, 'wp-config.php'), configuration(database, url));
  const loaded = `$_SERVER['HTTP_HOST'] = '127.0.0.1:${port}'; $_SERVER['SERVER_PROTOCOL'] = 'HTTP/1.1'; $_SERVER['REQUEST_METHOD'] = 'GET'; require '${site}/wp-load.php';`;
  const evaluate = async (code: string) => (await run(php, [...memory, '-r', code], { maxBuffer: 2 ** 26 })).stdout;
  await evaluate(`define('WP_INSTALLING', true); ${loaded} require_once ABSPATH . 'wp-admin/includes/upgrade.php';
    add_filter('pre_wp_mail', '__return_true'); wp_install('Shop', 'admin', 'admin@example.test', true, '', 'admin-pw-1');
    update_option('permalink_structure', '/%postname%/'); flush_rewrite_rules();`);
  writeFileSync(join(directory, 'router.php'), router);
  const guardian = startGuardian();
  const logFile = join(directory, 'php.log');
  const service = await startService(
    'wordpress',
    {
      file: php,
      args: [...memory, '-S', `127.0.0.1:${port}`, '-t', site, join(directory, 'router.php')],
      directory,
      environment: { PHP_CLI_SERVER_WORKERS: '2' },
      stopSignal: 'SIGTERM',
      logFile,
    },
    guardian,
  );
  const ping = async () => (await fetch(`${url}/wp-login.php`)).ok;
  await waitUntilReady({ name: 'wordpress', service, logFile, ping, timeoutMs: 30_000 });
  return {
    database,
    url,
    php: (code) => evaluate(`${loaded} ${code}`),
    page: async (path) => (await fetch(`${url}${path}`)).text(),
    rest: async <T>(path: string) => (await (await fetch(`${url}/wp-json/wp/v2${path}`)).json()) as T,
    async close() {
      await endProcess(service.identity, 'SIGTERM', 2_000);
      await guardian.dismiss();
      giveBackPort(port);
      await database.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function configuration({ url, name }: TestMysql, home: string): string {
  const { username, password, host } = new URL(url);
  const settings = {
    DB_NAME: name,
    DB_USER: username,
    DB_PASSWORD: decodeURIComponent(password),
    DB_HOST: host,
    DB_CHARSET: 'utf8mb4',
    DB_COLLATE: '',
    WP_HOME: home,
    WP_SITEURL: home,
    WP_HTTP_BLOCK_EXTERNAL: true,
    WP_ACCESSIBLE_HOSTS: '127.0.0.1,localhost',
    DISABLE_WP_CRON: true,
    AUTOMATIC_UPDATER_DISABLED: true,
    WP_MEMORY_LIMIT: '512M',
  };
  const keys = ['AUTH_KEY', 'SECURE_AUTH_KEY', 'LOGGED_IN_KEY', 'NONCE_KEY'].flatMap((key) => [key, key.replace('KEY', 'SALT')]);
  const defined = [...Object.entries(settings), ...keys.map((key) => [key, `test ${key}`] as const)].map(
    ([constant, value]) => `define('${constant}', ${typeof value === 'string' ? `'${value}'` : value});`,
  );
  return `<?php\n${defined.join('\n')}\n$table_prefix = 'wp_';
if (!defined('ABSPATH')) define('ABSPATH', __DIR__ . '/');\nrequire_once ABSPATH . 'wp-settings.php';\n`;
}

/** PHP's own server knows nothing of permalinks. */
const router = `<?php
$root = $_SERVER['DOCUMENT_ROOT'];
$path = urldecode(parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH));
if ($path !== '/' && is_file($root . $path)) {
  if (!str_ends_with($path, '.php')) return false;
  chdir(dirname($root . $path));
  $_SERVER['SCRIPT_NAME'] = $path;
  $_SERVER['PHP_SELF'] = $path;
  require $root . $path;
  return true;
}
$_SERVER['SCRIPT_NAME'] = '/index.php';
$_SERVER['PHP_SELF'] = '/index.php';
chdir($root);
require $root . '/index.php';
`;
