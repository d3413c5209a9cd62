// Which entries of a share are taken: what a person has ticked.

/**
 * Says of each path whether it is chosen: everything is, but for flips. A path in `flips` flips what the folder above it
 * says, for itself and all below it; the empty path is the share itself.
 *
 * The last folder is remembered, so that its files cost one comparison each.
 */
export function chooser(flips: ReadonlySet<string>): (path: string) => boolean {
  let last: { folder: string; taken: boolean } | undefined;
  return (path) => {
    const folder = parentOf(path);
    if (last?.folder !== folder) {
      last = { folder, taken: contains(flips, folder) };
    }
    return last.taken !== flips.has(path);
  };
}

function contains(flips: ReadonlySet<string>, path: string): boolean {
  let count = flips.has('') ? 1 : 0;
  for (let at = path; at !== ''; at = parentOf(at)) {
    count += flips.has(at) ? 1 : 0;
  }
  return count % 2 === 0;
}

function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash === -1 ? '' : path.slice(0, slash);
}
