import type { EntityId } from '../../core/change-event.ts';
import { BookPages } from '../../core/identity/book-pages.ts';
import { IdentityBook, type MergeVerdict } from '../../core/identity/identity-book.ts';
import type { BindRequest, BindResult, IdentityStore } from '../../core/ports/identity-store.ts';
import { atOnce, type Pace } from './pace.ts';

/** The bindings, shared by every process. */
export class BindingRows {
  readonly pages = new BookPages();
  readonly #book = new IdentityBook(this.pages);

  merge(kind: string, from: EntityId, into: EntityId): MergeVerdict {
    return this.#book.merge(kind, from, into);
  }

  bind(requests: readonly BindRequest[]): readonly BindResult[] {
    const results = requests.map((request) => this.#book.bind(request));
    this.pages.takeChanges();
    return results;
  }
}

export class MemoryIdentityStore implements IdentityStore {
  readonly #rows: BindingRows;
  readonly #pace: Pace;

  constructor(rows: BindingRows, pace: Pace = atOnce) {
    this.#rows = rows;
    this.#pace = pace;
  }

  bind(requests: readonly BindRequest[]): Promise<readonly BindResult[]> {
    return this.#pace('identity.bind', () => this.#rows.bind(requests));
  }
}
