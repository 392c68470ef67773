import type { z } from 'zod';
import { operatorSource, operatorSourceType } from '../conflict/voice.ts';
import { checkConflicts } from './conflict-checks.ts';
import { checkDifferences } from './difference-checks.ts';
import { checkRules, type MaybeRules } from './rule-checks.ts';
import { checkTargets } from './target-checks.ts';

/** As much of the configuration as could be parsed: these checks run beside the others, so that all is said at once. */
interface MaybeConfig {
  readonly profile?: unknown;
  readonly serialization?: unknown;
  readonly secretKey?: unknown;
  readonly kafka?: { readonly brokers?: unknown; readonly replicationFactor?: unknown };
  readonly postgres?: { readonly url?: unknown };
  readonly redis?: { readonly url?: unknown };
  readonly schemaRegistry?: { readonly url?: unknown };
  readonly api?: { readonly anonymousIngest?: unknown };
  readonly retry?: { readonly delayMs?: unknown; readonly delayMsMax?: unknown };
  readonly demo?: { readonly enabled?: unknown; readonly source?: unknown };
  readonly sources?: Readonly<Record<string, MaybeSource>>;
  readonly differences?: unknown;
  readonly targets?: Readonly<Record<string, unknown>>;
  readonly conflicts?: unknown;
}

interface MaybeSource {
  readonly type?: unknown;
  readonly entities?: Readonly<Record<string, MaybeEntity>>;
}

interface MaybeEntity extends MaybeRules {
  readonly key?: unknown;
  readonly occurredAt?: unknown;
  readonly schema?: {
    readonly fields?: Readonly<Record<string, { readonly required?: unknown }>>;
    readonly additionalFields?: unknown;
  };
}

export type Report = (path: readonly PropertyKey[], message: string) => void;

const secretCharactersMin = 32;
/** Passwords that stand in examples everywhere, and so protect nothing. */
const wellKnownPasswords: ReadonlySet<string> = new Set([
  '',
  'postgres',
  'password',
  'changeme',
  'syncline',
  'secret',
  'admin',
  'redis',
  'test',
]);

/** What one field cannot know of another. */
export function checkConfig(value: unknown, context: z.core.$RefinementCtx<unknown>): void {
  if (typeof value !== 'object' || value === null) return;
  const config = value as MaybeConfig;
  const report: Report = (path, message) => context.addIssue({ code: 'custom', path: [...path], message });
  checkParts(config, report);
  if (isRecord(config.conflicts)) checkConflicts(config.conflicts, config.sources ?? {}, report);
  checkSources(config.sources ?? {}, report);
  checkDifferences(config.differences, config.sources ?? {}, report);
  checkTargets(config.targets ?? {}, config.sources ?? {}, report);
  if (config.profile === 'production') checkProduction(config, report);
}

function checkParts(config: MaybeConfig, report: Report): void {
  if (config.serialization === 'avro' && config.schemaRegistry?.url === 'none') {
    report(['schemaRegistry', 'url'], '`serialization: avro` needs a schema registry: embedded, or its address');
  }
  const replication = config.kafka?.replicationFactor;
  if (config.kafka?.brokers === 'embedded' && typeof replication === 'number' && replication > 1) {
    report(['kafka', 'replicationFactor'], 'the embedded broker is a single one: only 1 copy is possible');
  }
  const { delayMs, delayMsMax } = config.retry ?? {};
  if (typeof delayMs === 'number' && typeof delayMsMax === 'number' && delayMsMax < delayMs) {
    report(['retry', 'delayMsMax'], 'the longest wait is shorter than the first (`delayMs`)');
  }
  const played = config.demo?.source;
  if (config.demo?.enabled === true && typeof played === 'string' && config.sources?.[played] === undefined) {
    report(['demo', 'source'], `the demo plays the source \`${played}\`, which is not configured`);
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function checkSources(sources: Readonly<Record<string, MaybeSource>>, report: Report): void {
  const sourceOfType = new Map<unknown, string>();
  const topicOf = new Map<string, string>();
  for (const [name, source] of Object.entries(sources)) {
    if (source?.type === 'GOLDEN') report(['sources', name, 'type'], 'GOLDEN is the type of resolved records: choose another');
    if (source?.type === operatorSourceType || name === operatorSource)
      report(['sources', name], 'the name `operator` and the type OPERATOR stand for what people decide: choose another');
    const other = sourceOfType.get(source?.type);
    if (source?.type !== undefined && other !== undefined) {
      report(
        ['sources', name, 'type'],
        `the sources \`${other}\` and \`${name}\` have one type, ${String(source.type)}: rows could not tell them apart`,
      );
    }
    sourceOfType.set(source?.type, name);
    for (const [kind, entity] of Object.entries(source?.entities ?? {})) {
      checkEntity(['sources', name, 'entities', kind], entity, report);
      checkRules(['sources', name, 'entities', kind], entity ?? {}, report);
      // Kafka refuses topics whose names differ only in `.` and `_`.
      const collision = `${name}.${kind}`.replaceAll('.', '_');
      const topic = topicOf.get(collision);
      if (topic !== undefined)
        report(['sources', name, 'entities', kind], `its topic would collide with that of \`${topic}\`: rename one`);
      topicOf.set(collision, `${name}.${kind}`);
    }
  }
}

function checkEntity(path: readonly PropertyKey[], entity: MaybeEntity | undefined, report: Report): void {
  const fields = entity?.schema?.fields ?? undefined;
  if (fields === undefined) return;
  for (const field of Array.isArray(entity?.key) ? entity.key : []) {
    if (typeof field === 'string' && fields[field]?.required !== true) {
      report([...path, 'key'], `the key field \`${field}\` must be declared in the schema with \`required: true\``);
    }
  }
  const { occurredAt } = entity ?? {};
  if (typeof occurredAt === 'string' && fields[occurredAt] === undefined && entity?.schema?.additionalFields === 'refuse') {
    report([...path, 'occurredAt'], `the field \`${occurredAt}\` is not declared in the schema, which refuses additional fields`);
  }
}

function checkProduction(config: MaybeConfig, report: Report): void {
  if (config.demo?.enabled === true)
    report(['demo', 'enabled'], 'the production profile runs no demo: it would mix invented records with yours');
  if (config.api?.anonymousIngest === 'loopback') {
    report(
      ['api', 'anonymousIngest'],
      'the production profile accepts no ingest without an API key: behind a proxy everybody looks like loopback; set it to `never`',
    );
  }
  const secret = config.secretKey;
  if (typeof secret === 'string' && secret.length < secretCharactersMin) {
    report(
      ['secretKey'],
      `the production profile wants a secret of its own with at least ${secretCharactersMin} characters: set SECRET_KEY`,
    );
  }
  for (const part of ['postgres', 'redis'] as const) {
    const url = config[part]?.url;
    if (
      typeof url === 'string' &&
      URL.canParse(url) &&
      new URL(url).password !== '' &&
      wellKnownPasswords.has(new URL(url).password)
    ) {
      report([part, 'url'], 'the production profile refuses a password that everybody knows: change it');
    }
  }
}
