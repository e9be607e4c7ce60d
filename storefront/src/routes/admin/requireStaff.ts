import { data, redirect } from 'react-router'
import { queryClient } from '@/api/queryClient'
import { meQuery } from '@/features/account/queries'
import { isAdmin, isStaff } from '@/features/admin/words'
import { paths } from '@/paths'
import { requireUser } from '@/routes/requireUser'

/** Lets the staff through. To customers there is no such page; the API refuses them whatever this says. */
export async function requireStaff(request: Request) {
  await require(request, isStaff)
}

export async function requireAdmin(request: Request) {
  await require(request, isAdmin)
}

/** Who works here but has no second factor yet is sent to where one is added. */
async function require(request: Request, allowed: typeof isStaff) {
  await requireUser(request)
  const user = await queryClient.ensureQueryData(meQuery)
  if (user?.secondFactorRequired) throw redirect(paths.account.security)
  if (!allowed(user)) throw data(null, 404)
}
