import { createLogger as createWinston, format, transports, type Logger as Winston } from 'winston';
import type { LoggingConfig } from '../../core/config/logging.ts';
import type { LogFields, Logger, LogLevel } from '../../core/ports/logger.ts';
import { type Redact, redaction } from './redaction.ts';

export interface LoggerOptions {
  readonly config: LoggingConfig;
  /** Which part of the product speaks: `api`, `processor`… */
  readonly role: string;
  /** Values that no line may show. */
  readonly secrets: readonly string[];
  /** Where lines go instead of stderr or stdout. */
  readonly stream?: NodeJS.WritableStream;
}

export function createLogger({ config, role, secrets, stream }: LoggerOptions): Logger {
  const redact = redaction(secrets);
  const winston = createWinston({
    level: config.roles[role] ?? config.level,
    levels: { error: 0, warn: 1, info: 2, debug: 3 } satisfies Record<LogLevel, number>,
    format: format.printf(({ level, message, fields }) => {
      const line = lineOf(level, message, fields, redact);
      return config.format === 'json' ? JSON.stringify(line) : prettyLine(line);
    }),
    transports: [new transports.Stream({ stream: stream ?? process[config.destination], eol: '\n' })],
    exitOnError: false,
  });
  return loggerOn(winston, { role });
}

function loggerOn(winston: Winston, bound: LogFields): Logger {
  const log = (level: LogLevel, message: string, fields?: LogFields): void => {
    winston.log({ level, message, fields: { ...bound, ...fields } });
  };
  return {
    error: (message, fields) => log('error', message, fields),
    warn: (message, fields) => log('warn', message, fields),
    info: (message, fields) => log('info', message, fields),
    debug: (message, fields) => log('debug', message, fields),
    with: (fields) => loggerOn(winston, { ...bound, ...fields }),
  };
}

/** One line's fields; those every line has come first and cannot be overwritten. */
interface Line {
  readonly timestamp: string;
  readonly level: string;
  readonly role: string;
  readonly message: string;
  readonly [field: string]: unknown;
}

function lineOf(level: string, message: unknown, fields: unknown, redact: Redact): Line {
  const { role, ...others } = redact(fields) as { role: string };
  const fixed = { timestamp: new Date().toISOString(), level, role, message: String(redact(message)) };
  return { ...fixed, ...others, ...fixed };
}

function prettyLine({ timestamp, level, role, message, ...fields }: Line): string {
  const shown = Object.entries(fields)
    .filter(([, value]) => value !== undefined && value !== null)
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  return [timestamp.slice(11, 23), level.padEnd(5), role.padEnd(12), message, ...shown].join(' ');
}
