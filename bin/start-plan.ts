import type { SynclineConfig } from '../core/config/config.ts';
import type { EmbeddedAddresses, ServicePart, ServiceSettings } from './addresses.ts';
import type { ConfigFiles } from './config-files.ts';
import type { LogFileLimits } from './log-file.ts';
import type { RoleName } from './roles/role.ts';
import type { TryIt } from './try-it.ts';

/** All that a supervisor has to know of the configuration, so that it need not carry what reads and checks it. */
export interface StartPlan {
  readonly startedMs: number;
  readonly files: ConfigFiles;
  readonly dataFolder: string;
  readonly isDefaultFolder: boolean;
  readonly profile: SynclineConfig['profile'];
  readonly roles: readonly RoleName[];
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly docker: boolean;
  /** What the configuration leaves to us and nobody has brought up before. */
  readonly parts: readonly ServicePart[];
  /** What somebody has. */
  readonly running: EmbeddedAddresses;
  readonly services: ServiceSettings;
  readonly logFiles: LogFileLimits;
  readonly tryIt: TryIt;
}

/** Holds passwords, so it is handed on in the environment, which only the same user can read. */
const planVariable = 'SYNCLINE_START_PLAN';

export function planEnvironment(plan: StartPlan): Record<string, string> {
  return { [planVariable]: JSON.stringify(plan) };
}

/** The plan of the process that began anew as this one. Children do not inherit it. */
export function takePlan(env: NodeJS.ProcessEnv): StartPlan | null {
  const text = env[planVariable];
  delete env[planVariable];
  return text === undefined ? null : (JSON.parse(text) as StartPlan);
}
