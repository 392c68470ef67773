import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface ConfigFiles {
  readonly config: string;
  readonly logging: string;
}

export const projectFolder = dirname(dirname(fileURLToPath(import.meta.url)));

/** --config, else SYNCLINE_CONFIG, else the project's own; logging.yml lies beside it or is the project's own. */
export function configFiles(option: string | undefined, env: NodeJS.ProcessEnv): ConfigFiles {
  const config = resolve(option ?? env.SYNCLINE_CONFIG ?? join(projectFolder, 'config', 'config.yml'));
  return { config, logging: resolve(env.SYNCLINE_LOGGING ?? join(projectFolder, 'config', 'logging.yml')) };
}
