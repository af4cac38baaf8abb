/**
 * Bundles the plugin into the one file that `yarn plugin import` takes: `node build.ts [file]`. Yarn's own modules stay
 * outside, for they must be those of the running Yarn. The factory holds everything: Yarn evaluates the file once in a bare
 * context to learn its name, where there is neither `require` nor `process`.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { builtinModules } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { rolldown } from 'rolldown'
import { noticesOf } from '../../packaging/notices.ts'

/** As `yarn plugin list` shows it, and as the copy in .yarn/plugins is called. */
const NAME = '@yarnpkg/plugin-catalog-p2p'
const OUTPUT = join(import.meta.dirname, 'dist', 'plugin-catalog-p2p.cjs')

/** What Yarn hands to a plugin's `require`. */
const OF_YARN = /^(@yarnpkg\/(cli|core|fslib|libzip|parsers|shell|plugin-[a-z-]+)|clipanion)$/

await bundlePlugin(process.argv[2] === undefined ? OUTPUT : resolve(process.argv[2]))

async function bundlePlugin(file: string): Promise<void> {
  const bundle = await rolldown({
    input: join(import.meta.dirname, 'src', 'index.ts'),
    platform: 'node',
    tsconfig: false,
    transform: { target: 'node18' },
    plugins: [
      {
        name: 'left-to-yarn',
        resolveId(id) {
          // Yarn before 4.0.2 knows built-in modules without the prefix only.
          const plain = id.replace(/^node:/, '')
          if (builtinModules.includes(plain)) return { id: plain, external: true }
          return OF_YARN.test(id) ? { id, external: true } : null
        },
      },
    ],
  })
  try {
    const { output } = await bundle.generate({ format: 'cjs', exports: 'named' })
    const [{ code, moduleIds }, ...more] = output
    if (more.length > 0)
      throw new Error(`more than one file: ${more.map((each) => each.fileName).join(', ')}`)
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, (await notices(moduleIds)) + wrapped(code))
  } finally {
    await bundle.close()
  }
}

/** The licences of what is in the bundle and not ours: it travels as one file, so they travel in it. */
async function notices(moduleIds: readonly string[]): Promise<string> {
  const found = await noticesOf(moduleIds)
  const texts = found.map(({ name, text }) => `${name}:\n\n${text.replaceAll('*/', '* /')}\n`)
  return `/*\nThis file contains other people's work:\n\n${texts.join('\n')}*/\n`
}

function wrapped(code: string): string {
  return `module.exports = {
name: ${JSON.stringify(NAME)},
factory: function (require) {
const module = { exports: {} };
const exports = module.exports;
${code}
return module.exports;
},
};
`
}
