import { createHash } from 'node:crypto';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SyncError } from '../core/errors.ts';
import { type CommandOutcome, executablesNamed, lastLines, runCommand } from './command.ts';
import type { EmbeddedContext, StackPart } from './embedded-part.ts';
import type { Guardian } from './guardian.ts';
import type { ManagedPart } from './managed-part.ts';

const composeFile = fileURLToPath(new URL('../docker-compose.yml', import.meta.url));

/** The same services as containers: for systems on which the embedded ones do not run. */
export async function dockerParts(
  parts: readonly StackPart[],
  context: EmbeddedContext,
  guardian: Guardian,
): Promise<ManagedPart[]> {
  const { data } = context;
  // One project for a data directory, so that two copies do not share containers.
  const project = `syncline-${createHash('sha256').update(data.path).digest('hex').slice(0, 8)}`;
  const ports = Object.fromEntries(parts.map((name) => [`SYNCLINE_${name.toUpperCase()}_PORT`, String(data.currentPort(name))]));
  await requireEngine();
  const compose = async (...args: string[]): Promise<void> => {
    const outcome = await runCommand('docker', ['compose', '-p', project, '-f', composeFile, ...args], {
      environment: ports,
      directory: dirname(composeFile),
      // A stop has to be carried out even after the start was called off.
      signal: args[0] === 'up' ? context.signal : undefined,
    });
    if (!outcome.succeeded) throw composeFailed(args, outcome);
  };
  guardian.stopComposeAtDeath(project);
  return parts.map((name) => ({
    name,
    pid: undefined,
    needs: name === 'registry' ? ['postgres'] : [],
    address: addressInDocker[name](data.currentPort(name)),
    start: async () => {
      context.onProgress(`${name}: starting its container in project ${project}`);
      await compose('up', '--detach', '--wait', name);
    },
    stop: () => compose('stop', name),
    kill: (signal = 'SIGKILL') => compose('kill', '--signal', signal, name),
    pause: () => compose('pause', name),
    resume: () => compose('unpause', name),
  }));
}

const addressInDocker: Readonly<Record<StackPart, (port: number) => string>> = {
  kafka: (port) => `127.0.0.1:${port}`,
  // The password of docker-compose.yml, whose ports are open to this machine alone.
  postgres: (port) => `postgres://syncline:syncline@127.0.0.1:${port}/syncline`,
  redis: (port) => `redis://127.0.0.1:${port}`,
  registry: (port) => `http://127.0.0.1:${port}/apis/ccompat/v7`,
  firebird: (port) => `firebird://SYSDBA:syncline@127.0.0.1:${port}//var/lib/firebird/data/`,
  mariadb: (port) => `mysql://root:syncline@127.0.0.1:${port}/`,
};

async function requireEngine(): Promise<void> {
  const install = 'install Docker with its compose plugin, or start without --docker';
  if (executablesNamed('docker').length === 0) throw dockerMissing(`docker is not installed: ${install}`);
  const compose = await runCommand('docker', ['compose', 'version']);
  if (!compose.succeeded) throw dockerMissing(`docker has no compose plugin: ${install}`, compose);
  const engine = await runCommand('docker', ['info', '--format', '{{.ServerVersion}}']);
  if (!engine.succeeded) throw dockerMissing('no Docker engine answers: start it, or start without --docker', engine);
}

function dockerMissing(message: string, outcome?: CommandOutcome): SyncError {
  const said = outcome === undefined ? '' : `\n  ${lastLines(outcome.output, 3)}`;
  return new SyncError('stack.part-missing', `${message}${said}`, { details: { part: 'docker' } });
}

function composeFailed(args: readonly string[], outcome: CommandOutcome): SyncError {
  return new SyncError('stack.start-failed', `docker compose ${args.join(' ')} failed:\n  ${lastLines(outcome.output)}`, {
    details: { part: 'docker' },
  });
}
