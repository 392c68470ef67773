/** Roles in rising order: each may do what those before it may. */
export const apiRoles = ['viewer', 'operator', 'admin'] as const;
export type ApiRole = (typeof apiRoles)[number];

export interface ApiKeyRow {
  readonly id: string;
  readonly name: string;
  readonly role: ApiRole;
  readonly createdAt: string;
  readonly revokedAt: string | null;
}

/** Keys are known by the sha256 of their text; the text itself is nowhere. */
export interface ApiKeyStore {
  /** The key with this hash, unless it was revoked. */
  findByHash(keyHash: string): Promise<(ApiKeyRow & { readonly keyHash: string }) | null>;
  list(): Promise<readonly ApiKeyRow[]>;
  create(name: string, role: ApiRole, keyHash: string): Promise<ApiKeyRow>;
  /** Stores the key only if there is none in force at all; of two processes that start together one wins. */
  createFirst(name: string, keyHash: string): Promise<ApiKeyRow | null>;
  /** False where there is no such key in force. */
  revoke(id: string): Promise<boolean>;
}
