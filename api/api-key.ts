import { hash, randomBytes, timingSafeEqual } from 'node:crypto';

/** A key is told from other secrets by how it begins, so that scanners of leaked secrets find it. */
const keyPrefix = 'syncline_';
const keyPattern = /^syncline_[A-Za-z0-9_-]{43}$/;
const keyBytes = 32;

export function mintApiKey(): string {
  return keyPrefix + randomBytes(keyBytes).toString('base64url');
}

export function isApiKey(text: string): boolean {
  return keyPattern.test(text);
}

/** A key has 256 random bits, so a plain hash keeps it: there is no list of likely ones to try. */
export function apiKeyHash(key: string): string {
  return hash('sha256', key, 'hex');
}

export function isSameHash(left: string, right: string): boolean {
  return left.length === right.length && timingSafeEqual(Buffer.from(left), Buffer.from(right));
}
