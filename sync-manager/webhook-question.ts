import type { Webhook } from '../core/conflict/policy.ts';
import type { ChosenValues } from '../core/conflict/side-choice.ts';
import { openFieldsOf } from '../core/conflict/side-choice.ts';
import { reasonOf } from '../core/errors.ts';
import { findUnstorableText, isJsonObject, type JsonObject, type JsonValue, parseExact, stringifyExact } from '../core/json.ts';
import type { WaitingConflict } from '../core/ports/webhook-store.ts';
import { webhookHeaders } from '../core/webhook-signature.ts';

/** What a webhook said. Fields that it leaves out wait for a person. */
export type WebhookAnswer = { readonly skip: true } | ({ readonly skip: false } & ChosenValues);

/** The webhook did not answer: down, too slow, or with an error of its own. */
export class WebhookUnreachable extends Error {}
/** It answered what cannot be an answer. */
export class WebhookAnswerInvalid extends Error {}

export const answerBytesMax = 256_000;
const answerLevelsMax = 32;
const namesShownMax = 5;

/** Asks once. Only the configured address is called: what it redirects to is not. */
export async function askWebhook(
  webhook: Webhook,
  conflict: WaitingConflict,
  nowMs: number,
  signal: AbortSignal,
): Promise<WebhookAnswer> {
  const body = questionOf(conflict);
  const headers = { ...webhookHeaders(webhook.secret, conflict.conflictId, nowMs, body), 'content-type': 'application/json' };
  const text = await post(webhook, headers, body, signal);
  return answerFrom(text, conflict);
}

function questionOf({ conflictId, entityId, kind, conflictType, fields }: WaitingConflict): string {
  const open = openFieldsOf(fields).map(([name, { base, sides, holder, value }]): [string, JsonObject] => [
    name,
    { ...(base === undefined ? {} : { base }), sides, holder, ...(value === undefined ? {} : { value }) },
  ]);
  return stringifyExact({ conflictId, entityId, kind, type: conflictType, fields: Object.fromEntries(open) });
}

async function post(
  { url, timeoutMs }: Webhook,
  headers: Readonly<Record<string, string>>,
  body: string,
  signal: AbortSignal,
): Promise<string> {
  const late = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers,
      body,
      redirect: 'manual',
      signal: AbortSignal.any([signal, late]),
    });
    if (!response.ok) {
      await response.body?.cancel();
      throw new WebhookUnreachable(`answered with status ${response.status}`);
    }
    return await textOf(response);
  } catch (error) {
    if (error instanceof WebhookUnreachable || error instanceof WebhookAnswerInvalid) throw error;
    signal.throwIfAborted();
    throw new WebhookUnreachable(late.aborted ? `no answer within ${timeoutMs} ms` : causeOf(error), { cause: error });
  }
}

async function textOf(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > answerBytesMax) throw new WebhookAnswerInvalid(`the answer is larger than ${answerBytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function answerFrom(text: string, conflict: WaitingConflict): WebhookAnswer {
  const value = parsed(text);
  if (!isJsonObject(value)) throw new WebhookAnswerInvalid('the answer is no JSON object');
  const { skip, fields, conflictId, entityId } = value;
  // Not asked for, but where it is said it must be true: an answer to another question decides nothing.
  if ((conflictId ?? conflict.conflictId) !== conflict.conflictId || (entityId ?? conflict.entityId) !== conflict.entityId) {
    throw new WebhookAnswerInvalid('the answer is for another conflict');
  }
  if (skip === true && fields === undefined) return { skip: true };
  if ((skip ?? false) !== false || !isJsonObject(fields)) {
    throw new WebhookAnswerInvalid('the answer carries neither `fields` nor `skip: true`');
  }
  const open = new Set(openFieldsOf(conflict.fields).map(([name]) => name));
  const names = Object.keys(fields);
  const strange = names.filter((name) => !open.has(name)).slice(0, namesShownMax);
  if (strange.length > 0)
    throw new WebhookAnswerInvalid(`the answer names fields that were not asked for: ${strange.join(', ')}`);
  if (names.length === 0) throw new WebhookAnswerInvalid('the answer names no field');
  return { skip: false, fields, removed: [] };
}

function parsed(text: string): JsonValue {
  let value: JsonValue;
  try {
    value = parseExact(text, answerLevelsMax);
  } catch (error) {
    throw new WebhookAnswerInvalid(`the answer cannot be read: ${reasonOf(error)}`, { cause: error });
  }
  const unstorable = findUnstorableText(stringifyExact(value));
  if (unstorable !== undefined) throw new WebhookAnswerInvalid(`the answer holds ${unstorable}, which cannot be stored`);
  return value;
}

/** fetch hides the reason of a failed connection in the cause. */
function causeOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause === undefined ? reasonOf(error) : reasonOf(cause) || String((cause as { code?: unknown }).code);
}
