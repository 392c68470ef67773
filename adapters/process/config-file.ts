import { readFileSync } from 'node:fs';
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type ParsedNode,
  parseDocument,
  Scalar,
  visit,
} from 'yaml';
import type { z } from 'zod';
import { type ConfigSchema, configSchema, freeze, type SynclineConfig } from '../../core/config/config.ts';
import { type LoggingConfig, loggingSchema } from '../../core/config/logging.ts';
import { type ErrorCode, reasonOf, SyncError } from '../../core/errors.ts';
import { type ConfigProblem, inOrder, problemLine } from './config-problem.ts';
import { resolveReferences, scalarOf } from './env-references.ts';
import { schemaIssues } from './schema-issues.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** The schema knows the connectors; without one their options are taken as they are. */
export function loadConfig(file: string, env: Environment, schema: ConfigSchema = configSchema): SynclineConfig {
  return freeze(loadYaml(file, env, schema));
}

export function loadLogging(file: string, env: Environment): LoggingConfig {
  return freeze(loadYaml(file, env, loggingSchema));
}

/** Throws SyncError `config.unreadable`, `config.env-missing` or `config.invalid` with every problem of the file. */
function loadYaml<T extends z.ZodType>(file: string, env: Environment, schema: T): z.output<T> {
  const source = new YamlSource(file, readText(file));
  if (source.syntaxProblems.length > 0) throw refusal('config.unreadable', source.syntaxProblems);
  const { missing, malformed } = source.resolveEnvironment(env);
  const result = schema.safeParse(source.document.toJS() ?? {}, { reportInput: true });
  const unresolved = [...missing, ...malformed];
  const issues = result.success ? [] : schemaIssues(result.error, schema);
  // What stands in the place of an unresolved reference is not the author's: nothing more is said about it.
  const problems = issues
    .map((issue) => source.problemAt(issue))
    .filter(({ line, column }) => !unresolved.some((problem) => problem.line === line && problem.column === column));
  if (missing.length > 0 && problems.length + malformed.length === 0) throw refusal('config.env-missing', missing);
  if (problems.length + unresolved.length > 0 || !result.success) throw refusal('config.invalid', [...problems, ...unresolved]);
  return result.data;
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new SyncError('config.unreadable', `cannot read ${file}: ${reasonOf(error)}`, { cause: error, details: { file } });
  }
}

function refusal(code: ErrorCode, unordered: readonly ConfigProblem[]): SyncError {
  const problems = inOrder(unordered);
  return new SyncError(code, problems.map(problemLine).join('\n'), { details: { problems } });
}

/** A YAML file that remembers where everything stands. */
class YamlSource {
  readonly file: string;
  readonly document: Document<ParsedNode>;
  readonly #lines = new LineCounter();

  constructor(file: string, text: string) {
    this.file = file;
    this.document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false }) as Document<ParsedNode>;
  }

  get syntaxProblems(): ConfigProblem[] {
    return [...this.document.errors, ...this.document.warnings].map((error) => ({
      ...this.#placeOf(error.pos[0]),
      path: '',
      message: error.message,
    }));
  }

  /** Replaces `${…}` in every value; what could not be replaced is told apart. */
  resolveEnvironment(env: Environment): { missing: ConfigProblem[]; malformed: ConfigProblem[] } {
    const missing: ConfigProblem[] = [];
    const malformed: ConfigProblem[] = [];
    visit(this.document, {
      Scalar: (key, node) => {
        if (key === 'key' || typeof node.value !== 'string' || !node.value.includes('${')) return;
        const resolved = resolveReferences(node.value, env);
        const place = { ...this.#placeOf(node.range?.[0]), path: '' };
        switch (resolved.kind) {
          case 'resolved':
            node.value = node.type === Scalar.PLAIN && resolved.replaced ? scalarOf(resolved.text) : resolved.text;
            break;
          case 'missing':
            missing.push({
              ...place,
              message: `the environment variable ${resolved.name} is not set`,
              suggestion: `set it, or give a default: \${${resolved.name}:-…}`,
            });
            break;
          case 'malformed':
            malformed.push({
              ...place,
              message: `${resolved.reference} is no reference`,
              suggestion: 'write ${NAME}, ${NAME:-default}, or $${ for the characters themselves',
            });
        }
      },
    });
    return { missing, malformed };
  }

  problemAt(issue: ReturnType<typeof schemaIssues>[number]): ConfigProblem {
    const { path, message, suggestion } = issue;
    const place = this.#placeOf(this.#offsetOf(path, issue.aboutKey));
    return { ...place, path: path.map(String).join('.'), message, ...(suggestion === undefined ? {} : { suggestion }) };
  }

  /** Where a path stands, or as much of it as the file has. */
  #offsetOf(path: readonly PropertyKey[], aboutKey: boolean): number | undefined {
    let node: Node | null = this.document.contents;
    let offset = node?.range?.[0];
    for (const [index, part] of path.entries()) {
      const child = childOf(isAlias(node) ? (node.resolve(this.document) ?? null) : node, part);
      if (child === undefined) return offset;
      node = child.value;
      const last = index === path.length - 1;
      offset = last && !aboutKey && isScalar(node) && node.value !== null ? node.range?.[0] : child.keyOffset;
    }
    return offset;
  }

  #placeOf(offset: number | undefined): { file: string; line: number; column: number } {
    const { line, col } = this.#lines.linePos(offset ?? 0);
    return { file: this.file, line: Math.max(1, line), column: Math.max(1, col) };
  }
}

function childOf(node: Node | null, part: PropertyKey): { value: Node | null; keyOffset: number | undefined } | undefined {
  if (isSeq<Node>(node) && typeof part === 'number') {
    const item = node.items[part];
    return item === undefined ? undefined : { value: item, keyOffset: item.range?.[0] };
  }
  if (!isMap<Node, Node | null>(node)) return undefined;
  const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(part));
  return pair === undefined ? undefined : { value: pair.value, keyOffset: pair.key.range?.[0] };
}
