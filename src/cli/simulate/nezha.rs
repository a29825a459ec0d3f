//! Faults of microservices, each played on its own.

use super::Rules;
use super::labelled::{Course, NAMESPACE, Set};
use super::marks::Judged;
use super::report::Report;
use crate::cli::eval::layout::is_same;
use crate::cli::eval::layout::nezha::{Fault, Folder, Item, Reader};
use crate::cli::eval::nezha::{FOLDS, fault_free_metrics, normal, of_fault};
use crate::cli::eval::world::World;
use crate::cli::progress::Progress;
use crate::core::remedy::simulate::Tried;

/// Learns from what is fault-free, plays each fault, and then each fault-free stretch in a world that learned
/// from the others.
pub(super) fn simulate(set: &Set, rules: &Rules) -> anyhow::Result<Report> {
    let (train, test) = set.folders();
    let mut reader = Reader::default();
    eprintln!("reading");
    let tested = reader.read(test)?;
    let trained = if is_same(train, test)? {
        None
    } else {
        Some(reader.read(train)?)
    };
    let folders: Vec<&Folder> = trained.iter().chain([&tested]).collect();
    let stretches: Vec<Vec<Item>> = folders.iter().flat_map(|folder| normal(folder)).collect();
    anyhow::ensure!(!stretches.is_empty(), "nothing is fault-free");
    let metrics = fault_free_metrics(&folders);
    eprintln!("learning from {} fault-free stretches", stretches.len());
    let learned = World::learn_and_train(stretches.iter(), &metrics, &set.training)?;
    let (models, without) = (learned.models.len(), learned.without_model);
    eprintln!("playing {} faults", tested.faults.len());
    let mut course = Course::new(rules);
    let mut progress = Progress::of_rounds(tested.faults.len(), "playing faults");
    for fault in &tested.faults {
        let judge = |tried: &Tried| judged(fault, tried);
        let items = of_fault(fault, &tested.metrics);
        course.play(World::of(&learned)?, &items, Some(&judge))?;
        progress.step();
    }
    drop(progress);
    let in_faults = course.anomalies;
    eprintln!("playing what is fault-free");
    for fold in 0..FOLDS {
        let placed = stretches.iter().enumerate();
        let (left_out, others): (Vec<_>, Vec<_>) = placed.partition(|(at, _)| at % FOLDS == fold);
        if left_out.is_empty() {
            continue;
        }
        let others = others.into_iter().map(|(_, stretch)| stretch);
        let learned = World::learn_and_train(others, &[], &set.training)?;
        for (_, stretch) in left_out {
            course.play(World::of(&learned)?, stretch, None)?;
        }
    }
    let played = format!(
        "{} faults of layout nezha, each played on its own ({in_faults} anomalies), and {} fault-free \
         stretches left out of what was learned ({} anomalies)",
        course.faults,
        course.fault_free,
        course.anomalies - in_faults,
    );
    let unknown = vec![
        format!(
            "Models of {without} services: the fault-free minutes have too little of them; {models} have one."
        ),
        format!(
            "Namespaces, Deployments and uids: the namespace is {NAMESPACE}, the Deployment has the name of the \
             service, and the records name the pod's uid."
        ),
        "What would come later than a minute after a fault's last record.".to_owned(),
    ];
    Ok(course.report(played, unknown, false))
}

/// What is done to a pod is right where it is the pod with the fault, what is done to a workload where it
/// is its service's.
fn judged(fault: &Fault, tried: &Tried) -> Judged {
    let is_pod = tried.target.pod.as_deref() == Some(&*fault.pod);
    if is_pod || *tried.service.name == *fault.service {
        Judged::Right
    } else {
        Judged::Wrong
    }
}
