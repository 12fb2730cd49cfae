import {expect, it} from 'vitest';
import {execInputFor, execWithLifeline} from '../../worker/transport/exec-input.ts';

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

it.each([
	['docker exec box', 'docker exec -i box'],
	['kubectl exec -i pod --', 'kubectl exec -i pod --'],
	['/usr/sbin/runc --root /run/x exec box', '/usr/sbin/runc --root /run/x exec box'],
])('%s lets a call hear of its end: %s', (exec, expected) => {
	expect(execWithLifeline(exec.split(' '))).toEqual(expected.split(' '));
});

it.each([
	'openshell sandbox exec --name alpha --',
	'ip netns exec alpha',
	'docker compose exec box',
	'docker exec -t box',
	'docker exec -it box',
	'runc exec -t box',
	'runc run box',
	'env',
])('%s is not known to let a call hear of its end', exec => {
	expect(execWithLifeline(exec.split(' '))).toBeNull();
});
