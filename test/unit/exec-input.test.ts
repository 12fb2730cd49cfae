import {expect, it} from 'vitest';
import {execInputFor} from '../../supervisor/config/exec-input.ts';

it.each([
	['docker exec box', 'docker exec -i box'],
	['/usr/bin/podman --remote exec --user me box', '/usr/bin/podman --remote exec -i --user me box'],
	['nerdctl exec box', 'nerdctl exec -i box'],
	['kubectl -n claw exec deploy/openclaw -c main --', 'kubectl -n claw exec -i deploy/openclaw -c main --'],
	['oc exec pod --', 'oc exec -i pod --'],
	['docker exec exec', 'docker exec -i exec'],
	['docker exec box -- env -t', 'docker exec -i box -- env -t'],
])('%s is told to hand its input on: %s', (exec, expected) => {
	expect(execInputFor(exec.split(' '))).toEqual(expected.split(' '));
});

it.each([
	'openshell sandbox exec --name alpha --',
	'ip netns exec alpha',
	'env exec',
	'sudo docker exec box',
	'docker compose exec box',
	'docker exec -i box',
	'docker exec -it box',
	'docker exec -t box',
	'docker exec --tty box',
	'kubectl exec --stdin pod --',
	'podman exec --interactive box',
	'docker run box',
	'docker',
])('%s is left alone', exec => {
	expect(execInputFor(exec.split(' '))).toEqual(exec.split(' '));
});
