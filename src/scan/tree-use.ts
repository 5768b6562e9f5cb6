// Which parts of a system tree are wanted: everything directly in its search directories, and below them those
// subdirectories that somebody has used. Only ever grows, so that trees stay stable. Unaware of the disk.

/** `whole`: with all below it; `open`: files and links, and of its subdirectories the wanted ones; `unused`: left out. */
export type Wanted = 'whole' | 'open' | 'unused';

export class TreeUse {
  readonly #search: Set<string>;
  readonly #open: Set<string>;
  readonly #whole = new Set<string>();
  #version = 0;

  /** @param root physical absolute path of the tree, itself a search directory */
  constructor(readonly root: string) {
    this.#search = new Set([root]);
    this.#open = new Set([root]);
  }

  /** Another number whenever more is wanted. */
  get version(): number {
    return this.#version;
  }

  of(path: string): Wanted {
    if (this.#inWhole(path)) return 'whole';
    return this.#open.has(path) ? 'open' : 'unused';
  }

  /** A search directory inside the tree: it exists, with what is directly in it. */
  addSearch(directory: string): void {
    if (this.#search.has(directory)) return;
    this.#search.add(directory);
    this.#openTo(directory);
  }

  /** Something in this directory may be looked at. */
  add(directory: string): void {
    if (this.#open.has(directory) && this.#search.has(directory)) return;
    if (this.#inWhole(directory)) return;
    let below = directory;
    for (let at = directory; at !== this.root; at = parent(at)) {
      if (this.#search.has(parent(at))) {
        below = at;
        break;
      }
    }
    this.#openTo(parent(below));
    this.#want(below);
  }

  /** The tree is wanted with all that it has. */
  addAll(): void {
    if (!this.#whole.has(this.root)) this.#want(this.root);
  }

  #want(directory: string): void {
    this.#whole.add(directory);
    this.#version += 1;
  }

  #openTo(directory: string): void {
    for (let at = directory; !this.#open.has(at); at = parent(at)) {
      this.#open.add(at);
      this.#version += 1;
    }
  }

  #inWhole(path: string): boolean {
    if (this.#whole.has(this.root)) return true;
    for (let at = path; at !== this.root; at = parent(at)) if (this.#whole.has(at)) return true;
    return false;
  }
}

function parent(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}
