import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startGuardian } from './guardian.ts';
import type { FetchContext } from './package-cache.ts';
import { claimPort, giveBackPort } from './ports.ts';
import { endProcess } from './process-end.ts';
import { waitUntilReady } from './readiness.ts';
import { startService } from './service-process.ts';
import { provideWordpress } from './wordpress-files.ts';

const run = promisify(execFile);

export interface WordpressOptions extends FetchContext {
  /** An empty database of its own: `mysql://user:password@host:port/name`. */
  readonly database: string;
  /** An empty folder, which the caller removes afterwards. */
  readonly directory: string;
}

/** A real WordPress behind PHP's own server, with readable addresses (`/a-page/`) and no mail. */
export interface RunningWordpress {
  /** Without a slash at the end. */
  readonly url: string;
  /** Runs PHP inside WordPress and returns what it prints. */
  php(code: string): Promise<string>;
  stop(): Promise<void>;
}

const memory = ['-d', 'memory_limit=512M'];

export async function startWordpress({ database, directory, ...context }: WordpressOptions): Promise<RunningWordpress> {
  const { folder, php } = await provideWordpress(context);
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
    url,
    php: (code) => evaluate(`${loaded} ${code}`),
    async stop() {
      await endProcess(service.identity, 'SIGTERM', 2_000);
      await guardian.dismiss();
      giveBackPort(port);
    },
  };
}

function configuration(database: string, home: string): string {
  const { username, password, host, pathname } = new URL(database);
  const settings = {
    DB_NAME: pathname.slice(1),
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
  const defined = [...Object.entries(settings), ...keys.map((key) => [key, randomBytes(24).toString('base64url')] as const)].map(
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
