import { z } from 'zod';
import { SyncError } from '../../core/errors.ts';
import { type ApiKeyStore, apiRoles } from '../../core/ports/api-key-store.ts';
import { apiKeyHash, mintApiKey } from '../api-key.ts';
import type { Authenticator } from '../authenticator.ts';
import { instantAnswer, textParameter } from '../parameters.ts';
import { declareRoute, type Route } from '../route.ts';

const keyFields = {
  id: z.string(),
  name: z.string(),
  role: z.enum(apiRoles),
  createdAt: instantAnswer,
  revokedAt: instantAnswer.nullable(),
};
const keyAnswer = z.object(keyFields).meta({ id: 'ApiKey' });
const newKeyAnswer = z
  .object({ ...keyFields, key: z.string().describe('Shown here and never again.') })
  .meta({ id: 'NewApiKey' });

export function keyRoutes(store: ApiKeyStore, authenticator: Authenticator): Route[] {
  return [
    declareRoute({
      method: 'get',
      path: '/api/keys',
      role: 'admin',
      id: 'listKeys',
      tag: 'Keys',
      summary: 'The API keys, revoked ones included; never their text.',
      answer: z.object({ items: z.array(keyAnswer).readonly() }),
      handle: async () => ({ items: await store.list() }),
    }),
    declareRoute({
      method: 'post',
      path: '/api/keys',
      role: 'admin',
      id: 'createKey',
      tag: 'Keys',
      summary: 'Makes a key. Its text is in this answer and nowhere else.',
      body: z.strictObject({ name: textParameter(100, 'What the key is for.'), role: z.enum(apiRoles) }),
      answer: newKeyAnswer,
      status: 201,
      async handle({ body }) {
        const key = mintApiKey();
        return { ...(await store.create(body.name, body.role, apiKeyHash(key))), key };
      },
    }),
    declareRoute({
      method: 'delete',
      path: '/api/keys/{id}',
      role: 'admin',
      id: 'revokeKey',
      tag: 'Keys',
      summary: 'Revokes a key. The last admin key in force stays.',
      params: z.object({ id: z.uuid() }),
      answer: z.object({ id: z.string(), revoked: z.literal(true) }),
      async handle({ params: { id } }) {
        const admins = (await store.list()).filter((key) => key.role === 'admin' && key.revokedAt === null);
        if (admins.length === 1 && admins[0]!.id === id) {
          throw new SyncError('request.conflict', 'this is the last admin key in force: make another one first');
        }
        if (!(await store.revoke(id))) throw new SyncError('request.not-found', `there is no key ${id} in force`);
        authenticator.forget();
        return { id, revoked: true as const };
      },
    }),
  ];
}
