import { createHmac } from 'node:crypto';

const base64Secret = /^whsec_([A-Za-z0-9+/]+={0,2})$/;

/**
 * The headers of a message signed as Standard Webhooks has it: whoever knows the secret can check that it is ours and
 * not an old one sent again. A secret that begins with `whsec_` is base64 behind it, any other stands for its own bytes.
 */
export function webhookHeaders(secret: string, id: string, nowMs: number, body: string): Readonly<Record<string, string>> {
  const timestamp = String(Math.floor(nowMs / 1_000));
  const encoded = base64Secret.exec(secret)?.[1];
  const key = encoded === undefined ? Buffer.from(secret, 'utf8') : Buffer.from(encoded, 'base64');
  const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64');
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${signature}` };
}
