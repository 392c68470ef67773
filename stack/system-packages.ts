import { existsSync, readdirSync } from 'node:fs';
import { SyncError } from '../core/errors.ts';
import { executablesNamed, lastLines, runCommand } from './command.ts';
import { type FetchContext, lockCache } from './package-cache.ts';

/** What only the system's own package manager brings. */
export type SystemPart = 'firebird' | 'java' | 'jdk' | 'mariadb' | 'maven' | 'pgbouncer' | 'postgres' | 'redis' | 'wordpress';
type PackageManager = 'apt' | 'dnf' | 'brew';

const installCommands: Record<PackageManager, (packages: string) => string> = {
  apt: (packages) => `sudo apt-get install -y ${packages}`,
  dnf: (packages) => `sudo dnf install -y ${packages}`,
  brew: (packages) => `brew install ${packages}`,
};

const packageNames: Record<SystemPart, Record<PackageManager, string>> = {
  firebird: { apt: 'firebird3.0-server firebird3.0-utils', dnf: 'firebird firebird-utils', brew: 'firebird' },
  java: { apt: 'default-jre-headless', dnf: 'java-21-openjdk-headless', brew: 'openjdk@21' },
  jdk: { apt: 'default-jdk-headless', dnf: 'java-21-openjdk-devel', brew: 'openjdk@21' },
  mariadb: { apt: 'mariadb-server', dnf: 'mariadb-server', brew: 'mariadb' },
  maven: { apt: 'maven', dnf: 'maven', brew: 'maven' },
  pgbouncer: { apt: 'pgbouncer', dnf: 'pgbouncer', brew: 'pgbouncer' },
  postgres: { apt: 'postgresql', dnf: 'postgresql-server', brew: 'postgresql@17' },
  redis: { apt: 'redis-server', dnf: 'redis', brew: 'redis' },
  wordpress: {
    apt: 'wordpress wordpress-theme-twentytwentythree php-cli php-mysql php-curl php-xml php-mbstring php-gd php-intl php-zip',
    dnf: 'wordpress php-cli php-mysqlnd',
    brew: 'php',
  },
};

function packageManager(): PackageManager | undefined {
  if (process.platform === 'darwin') return 'brew';
  if (executablesNamed('apt-get').length > 0) return 'apt';
  return executablesNamed('dnf').length > 0 ? 'dnf' : undefined;
}

export function canInstallSystemPackages(): boolean {
  return process.platform === 'linux' && process.getuid?.() === 0 && packageManager() === 'apt';
}

/** Installs through apt-get, as root on Debian and its kin; anywhere else says the one command to type. */
export async function installSystemPart(part: SystemPart, why: string, context: FetchContext): Promise<void> {
  if (!canInstallSystemPackages()) throw partMissing(part, why);
  const packages = packageNames[part].apt;
  const lock = await lockCache('apt', context);
  try {
    if (!hasPackageLists()) {
      context.onProgress('apt-get update: this system has no package lists yet');
      await aptGet(['update'], part, why, context);
    }
    context.onProgress(`apt-get install ${packages}: ${why}`);
    await aptGet(['install', '-y', '--no-install-recommends', packages], part, why, context);
  } finally {
    lock.release();
  }
}

export function partMissing(part: SystemPart, why: string, reason = ''): SyncError {
  const manager = packageManager();
  const install =
    manager === undefined
      ? `install ${part} with your package manager`
      : `type: ${installCommands[manager](packageNames[part][manager])}`;
  return new SyncError('stack.part-missing', `${part} is missing (${why})${reason}; ${install}`, { details: { part, install } });
}

function hasPackageLists(): boolean {
  const lists = '/var/lib/apt/lists';
  return existsSync(lists) && readdirSync(lists).some((name) => name.includes('_Packages') || name.includes('_InRelease'));
}

async function aptGet(args: readonly string[], part: SystemPart, why: string, context: FetchContext): Promise<void> {
  const outcome = await runCommand('apt-get', ['-q', '-o', 'DPkg::Lock::Timeout=300', ...args], {
    environment: { DEBIAN_FRONTEND: 'noninteractive' },
    signal: context.signal,
  });
  if (outcome.succeeded) return;
  throw partMissing(part, why, `, and apt-get ${args[0]} failed:\n  ${lastLines(outcome.output)}\n`);
}
