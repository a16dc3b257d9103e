// What an unpack has made so far, as far as it decides what parents mean: directories and symbolic
// links. A tree of maps, so that replacing a directory forgets all below it in one step, whatever
// its size.

type Node = {
  kind: 'dir' | 'symlink';
  /** No entry has said so far what it looks like. */
  implied: boolean;
  readonly children: Map<string, Node>;
};

export class KnownPaths {
  readonly #root: Node = { kind: 'dir', implied: true, children: new Map() };

  /**
   * The parents of a path that nothing has made yet, shortest first. Below a symbolic link nothing
   * is said: the kernel resolves it inside the root.
   */
  missingParents(parts: readonly string[]): string[][] {
    const missing: string[][] = [];
    let node = this.#root;
    for (let i = 0; i < parts.length - 1; i += 1) {
      const name = parts[i] ?? '';
      let child = node.children.get(name);
      if (child === undefined) {
        child = { kind: 'dir', implied: true, children: new Map() };
        node.children.set(name, child);
        missing.push(parts.slice(0, i + 1));
      }
      if (child.kind === 'symlink') return missing;
      node = child;
    }
    return missing;
  }

  /** Notes what now stands at a path whose parents are known. */
  set(parts: readonly string[], kind: 'dir' | 'symlink' | 'other'): void {
    let node: Node | undefined = this.#root;
    for (const name of parts.slice(0, -1)) {
      node = node.children.get(name);
      if (node === undefined || node.kind === 'symlink') return;
    }
    const name = parts.at(-1);
    if (name === undefined) {
      if (kind === 'dir') this.#root.implied = false;
      return;
    }
    const before = node.children.get(name);
    if (kind === 'other') node.children.delete(name);
    else if (kind === 'dir' && before?.kind === 'dir') before.implied = false;
    else node.children.set(name, { kind, implied: false, children: new Map() });
  }

  /** Directories that are only implied, parents first; [] is the root. */
  *implied(): Generator<readonly string[], void, undefined> {
    const walk: { readonly node: Node; readonly parts: readonly string[] }[] = [
      { node: this.#root, parts: [] },
    ];
    for (let at = walk.pop(); at !== undefined; at = walk.pop()) {
      if (at.node.implied) yield at.parts;
      for (const [name, node] of at.node.children) {
        if (node.kind === 'dir') walk.push({ node, parts: [...at.parts, name] });
      }
    }
  }
}
