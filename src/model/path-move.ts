// A directory under another name: every name below it, there and back. Pure text; unaware of the disk and of what is moved.

/**
 * Where actions see a directory whose place must not matter. A single name of letters, digits and `_`: it is searched for in outputs,
 * also where a compiler has made an identifier of it, and nothing else is likely to have it.
 */
export const canonicalPlace = '/icets_base_k7q2x9';

export class PathMove {
  /**
   * @param from absolute physical path of a directory, not `/`, without a slash at the end
   * @param to what it is called there
   */
  constructor(
    readonly from: string,
    readonly to: string,
  ) {}

  /** The name over there of an absolute path; relative ones and those that lie elsewhere stay as they are. */
  there(path: string): string {
    return below(path, this.from) ? this.to + path.slice(this.from.length) : path;
  }

  back(path: string): string {
    return below(path, this.to) ? this.from + path.slice(this.to.length) : path;
  }

  /** Whether `there` changes the path. */
  moves(path: string): boolean {
    return below(path, this.from);
  }
}

function below(path: string, directory: string): boolean {
  return path.startsWith(directory) && (path.length === directory.length || path[directory.length] === '/');
}

/** The innermost directory that is, or holds, both of these absolute normalised paths. */
export function commonDirectory(a: string, b: string): string {
  let end = 0;
  for (let at = 0; ; at += 1) {
    const endOfA = at === a.length;
    const endOfB = at === b.length;
    if ((endOfA || a[at] === '/') && (endOfB || b[at] === '/')) end = at;
    if (endOfA || endOfB || a[at] !== b[at]) break;
  }
  return end === 0 ? '/' : a.slice(0, end);
}
